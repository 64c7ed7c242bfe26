"""Decoding by compiled kernels: the same results as `tasks` gives, in one pass over the heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.families import formulas
from edgekit.decode.heads import Head, RawHeads
from edgekit.decode.obb import rotated_detections
from edgekit.decode.plan import Plan
from edgekit.decode.score_filter import raw_limits
from edgekit.decode.yolov5 import AnchorGrid, AnchorHeads
from edgekit.errors import ModelError
from edgekit.kernels.decode_layout import GridLayout, HeadLayout, PlanLayout
from edgekit.kernels.decode_structs import FrameBlock
from edgekit.kernels.decoding import ObjectKernel, Objects, WindowLogits, decode_kernels
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import InstanceMasks
from edgekit.ops.math import logit
from edgekit.results import Detections, Poses, Results, Segmentations

KINDS = {"detect": "upright", "segment": "upright", "pose": "upright", "obb": "rotated"}


class CompiledDecoder:
    """Decodes frames of one bound model; several threads may share it."""

    def __init__(self, plan: Plan, library: Any) -> None:
        """Bind the model's heads to the loaded library of kernels."""
        self._plan = plan
        try:
            self._kernel = ObjectKernel(plan_layout(plan), library)
        except ValueError as error:  # shapes, scales or anchors that contradict each other
            raise ModelError(
                f"the description of the heads contradicts itself: {error}",
                hint="the sidecar is damaged or was edited: make it again with edgekit calibrate or edgekit compile",
            ) from error
        self._names = _tensor_names(plan)
        self._results = RESULTS[plan.spec.task]
        proto = plan.outputs.get("proto").spec.shape if plan.spec.task == "segment" else (1, 0, 0, 0)
        self._proto_wh = (proto[2], proto[1])
        self._frame: tuple[Letterbox | None, FrameBlock] = (None, FrameBlock())

    def __call__(self, raw: RawHeads, letterbox: Letterbox) -> Results:
        """Decode one frame, as `Decoder` does.

        Raises:
            ModelError: An output is missing or has another shape or dtype than the sidecar says.
        """
        try:
            objects = self._objects(raw, letterbox)
        except (ValueError, KeyError):
            self._plan.outputs.check(raw)
            objects = self._objects(
                {name: np.require(raw[name], requirements=("C", "A")) for name in self._names}, letterbox
            )
        return self._results(self, objects, letterbox)

    def _objects(self, raw: RawHeads, letterbox: Letterbox) -> Objects:
        of, frame = self._frame
        if of is not letterbox:
            frame = frame_block(letterbox)
            self._frame = (letterbox, frame)  # one assignment: threads see both or neither
        return self._kernel([raw[name] for name in self._names], frame)

    def detections(self, objects: Objects, letterbox: Letterbox) -> Detections:
        """Return the results of the detect task."""
        plan = self._plan
        return Detections(
            objects.image_boxes, objects.scores, objects.class_ids, plan.spec.names, letterbox.source_wh, plan.device
        )

    def segmentations(self, objects: Objects, letterbox: Letterbox) -> Segmentations:
        """Return the results of the segment task."""
        plan, boxes, windows = self._plan, objects.image_boxes, objects.windows
        parts = WindowLogits(objects.logits, windows)
        masks = InstanceMasks(parts, windows[:, :2], boxes, self._proto_wh, letterbox)
        return Segmentations(
            boxes, objects.scores, objects.class_ids, plan.spec.names, letterbox.source_wh, plan.device, masks
        )

    def poses(self, objects: Objects, letterbox: Letterbox) -> Poses:
        """Return the results of the pose task."""
        plan = self._plan
        points = objects.extra.reshape(-1, *plan.spec.keypoint_shape)
        visibility = points[..., 2] if points.shape[2] == 3 else np.ones(points.shape[:2], np.float32)
        return Poses(
            objects.image_boxes,
            objects.scores,
            objects.class_ids,
            plan.spec.names,
            letterbox.source_wh,
            plan.device,
            points[..., :2],
            visibility,
        )

    def rotated(self, objects: Objects, letterbox: Letterbox) -> Results:
        """Return the results of the obb task."""
        return rotated_detections(self._plan, letterbox, objects.boxes, objects.scores, objects.class_ids)


RESULTS: dict[str, Callable[[CompiledDecoder, Objects, Letterbox], Results]] = {
    "detect": CompiledDecoder.detections,
    "segment": CompiledDecoder.segmentations,
    "pose": CompiledDecoder.poses,
    "obb": CompiledDecoder.rotated,
}


def compiled_decoder(plan: Plan) -> CompiledDecoder | None:
    """Return a decoder by compiled kernels; None where there are none, or the task has no boxes."""
    if plan.spec.task not in RESULTS:
        return None
    library = decode_kernels().library
    return None if library is None else CompiledDecoder(plan, library)


def frame_block(letterbox: Letterbox) -> FrameBlock:
    """Return where the image lies in the model's input, as the kernels take it."""
    return FrameBlock(*letterbox.scale_xy, letterbox.left, letterbox.top, *letterbox.source_wh, *letterbox.size_wh)


def plan_layout(plan: Plan) -> PlanLayout:
    """Return what the kernels have to know of a bound model."""
    spec, options, family = plan.spec, plan.options, formulas(plan.spec.family)
    proto = plan.outputs.get("proto") if spec.task == "segment" else None
    threshold = options.score_threshold
    anchored = isinstance(plan.heads, AnchorHeads)
    return PlanLayout(
        kind="anchored" if anchored else KINDS[spec.task],
        grids=_grids(plan),
        class_count=spec.num_classes,
        reg_max=spec.reg_max,
        max_objects=options.max_detections,
        score_threshold=threshold,
        logit_threshold=logit(threshold),
        iou_threshold=options.iou_threshold,
        select_all=threshold <= 0,
        multi_label=options.multi_label or spec.end_to_end,
        end_to_end=spec.end_to_end,
        raw_angle=family.raw_angle,
        extra_channels=_extra_channels(plan),
        extra_factor=proto.scale if proto is not None and proto.spec.scale else None,
        keypoint_shape=(spec.keypoint_shape[0], spec.keypoint_shape[1]) if spec.task == "pose" else (0, 0),
        keypoint_gain=family.keypoint_gain,
        keypoint_shift=family.keypoint_shift,
        proto=None if proto is None else _head(proto),
    )


def _extra_channels(plan: Plan) -> int:
    if isinstance(plan.heads, AnchorHeads):
        return plan.outputs.get("proto").spec.channels if plan.spec.task == "segment" else 0
    return next((grid.extra.spec.channels for grid in plan.heads.grids if grid.extra is not None), 0)


def _grids(plan: Plan) -> tuple[GridLayout, ...]:
    threshold = plan.options.score_threshold
    if isinstance(plan.heads, AnchorHeads):
        return tuple(_anchor_grid(grid, threshold) for grid in plan.heads.grids)
    return tuple(
        GridLayout(
            grid.stride,
            _head(grid.classes),
            _head(grid.box),
            None if grid.extra is None else _head(grid.extra),
            _limits(grid.classes, threshold),
        )
        for grid in plan.heads.grids
    )


def _head(head: Head) -> HeadLayout:
    return HeadLayout(head.spec.shape, head.dtype, head.scale)


def _limits(head: Head, threshold: float) -> npt.NDArray[np.int64] | None:
    if not head.spec.scale:
        return None
    limits = np.zeros(1, np.int64) if threshold <= 0 else raw_limits(head, threshold).per_channel.astype(np.int64)
    return np.broadcast_to(limits, head.spec.channels)


def _anchor_grid(grid: AnchorGrid, threshold: float) -> GridLayout:
    limits, head = _limits(grid.head, threshold), grid.head
    if limits is not None:
        limits = limits.reshape(len(grid.anchors_wh), -1)[:, 4]  # the objectness of each anchor
    anchors_wh = np.asarray(grid.anchors_wh, np.float32)
    return GridLayout(head.spec.stride, _head(head), None, None, limits, anchors_wh)


def _tensor_names(plan: Plan) -> list[str]:
    """Return the outputs as the kernels take them: of every grid classes, box and extra, then the prototypes."""
    if isinstance(plan.heads, AnchorHeads):
        names = [grid.head.spec.name for grid in plan.heads.grids]
    else:
        heads = (head for grid in plan.heads.grids for head in (grid.classes, grid.box, grid.extra))
        names = [head.spec.name for head in heads if head is not None]
    return [*names, plan.outputs.get("proto").spec.name] if plan.spec.task == "segment" else names

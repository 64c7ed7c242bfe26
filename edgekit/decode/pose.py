"""Boxes, classes and key points: the pose task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.candidates import Candidates
from edgekit.decode.families import formulas
from edgekit.decode.heads import BoundHeads, RawHeads, bind_roles
from edgekit.decode.keypoints import decode_keypoints
from edgekit.decode.options import DecodeOptions
from edgekit.decode.postprocess import find_objects
from edgekit.errors import ModelError
from edgekit.ops.letterbox import Letterbox
from edgekit.results import Poses
from edgekit.spec import ModelSpec


def decode_pose(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> Poses:
    """Raw heads of one image to its objects with key points in original pixels, read for survivors only."""
    bound = bind_roles(heads, spec)
    found = find_objects(bound, spec, options)
    points = object_keypoints(found, bound, spec)
    places = letterbox.undo_points(points[..., :2])
    seen = points[..., 2] if points.shape[2] == 3 else np.ones(points.shape[:2], np.float32)
    boxes = letterbox.undo_boxes(found.boxes_xyxy)
    return Poses(boxes, found.scores, found.class_ids, spec.names, letterbox.source_wh, device, places, seen)


def object_keypoints(found: Candidates, bound: BoundHeads, spec: ModelSpec) -> npt.NDArray[np.float32]:
    """Key points (n, points, 2 or 3) of the objects in input pixels; raises ModelError where the head does not fit."""
    out = np.empty((len(found), *_checked_shape(spec)), np.float32)
    for stride in spec.strides:
        head = bound.of("keypoint", stride)
        mine = found.strides == stride
        out[mine] = decode_keypoints(
            head.floats(found.cells[mine]),
            found.cells[mine],
            grid_width=head.grid_hw[1],
            stride=stride,
            keypoint_shape=spec.keypoint_shape,
            formulas=formulas(spec.family),
        )
    return out


def _checked_shape(spec: ModelSpec) -> tuple[int, ...]:
    shape = spec.keypoint_shape
    channels = sorted({head.channels for head in spec.outputs if head.role == "keypoint"})
    if len(shape) != 2 or shape[1] not in (2, 3) or channels != [shape[0] * shape[1]]:
        raise ModelError(
            f"keypoint_shape is {list(shape)}, expected points x 2 or 3 that fill the {channels} key point channels",
            hint="fix keypoint_shape in the sidecar, or cut the stock ONNX again",
        )
    return shape

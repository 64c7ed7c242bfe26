"""Rotated boxes and classes: the obb task."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import dfl_distances
from edgekit.decode.candidates import pick_classes
from edgekit.decode.families import formulas
from edgekit.decode.heads import BoundHeads, RawHeads, bind_roles
from edgekit.decode.options import DecodeOptions
from edgekit.decode.rotated import decode_angles, decode_rotated
from edgekit.decode.score_filter import filter_cells
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import sigmoid
from edgekit.ops.rotated import enclosing_boxes, long_side_first, rotated_nms
from edgekit.results import RotatedDetections
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]


def decode_obb(
    heads: RawHeads, spec: ModelSpec, letterbox: Letterbox, options: DecodeOptions, *, device: str
) -> RotatedDetections:
    """Raw heads of one image to its rotated boxes in original pixels."""
    bound = bind_roles(heads, spec)
    parts = [_stride_candidates(bound, spec, stride, options) for stride in spec.strides]
    boxes, scores, class_ids = (np.concatenate(column) for column in zip(*parts, strict=True))
    if spec.end_to_end:
        keep = np.argsort(-scores, kind="stable")[: options.max_detections]
    else:
        keep = rotated_nms(
            boxes, scores, class_ids, iou_threshold=options.iou_threshold, max_detections=options.max_detections
        )
    rotated = undo_rotated(long_side_first(boxes[keep]), letterbox)
    upright = np.clip(enclosing_boxes(rotated), 0, np.tile(np.asarray(letterbox.source_wh, np.float32), 2))
    return RotatedDetections(upright, scores[keep], class_ids[keep], spec.names, letterbox.source_wh, device, rotated)


def undo_rotated(boxes_xywhr: Floats, letterbox: Letterbox) -> Floats:
    """Boxes (n, 5) from input to source pixels.

    The two axes' scales differ by the rounding of the resized size alone, so sides take their mean and angles
    stay.
    """
    scale = math.sqrt(letterbox.scale_xy[0] * letterbox.scale_xy[1])
    centres = letterbox.undo_points(boxes_xywhr[:, :2])
    return np.concatenate([centres, boxes_xywhr[:, 2:4] / np.float32(scale), boxes_xywhr[:, 4:]], axis=1)


def _stride_candidates(
    bound: BoundHeads, spec: ModelSpec, stride: int, options: DecodeOptions
) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
    """Boxes (n, 5) xywhr, scores and class ids of one grid, gated and not yet suppressed."""
    cells, logits = filter_cells(bound.of("class", stride), options.score_threshold)
    multi_label = options.multi_label or spec.end_to_end
    rows, class_ids = pick_classes(logits, options.score_threshold, multi_label=multi_label)
    cells, box = cells[rows], bound.of("box", stride)
    angles = decode_angles(bound.of("angle", stride).floats(cells), formulas(spec.family))
    distances = dfl_distances(box.floats(cells), reg_max=spec.reg_max)
    boxes = decode_rotated(distances, angles, cells, grid_width=box.grid_hw[1], stride=stride)
    return np.concatenate([boxes, angles[:, None]], axis=1), sigmoid(logits[rows, class_ids]), class_ids

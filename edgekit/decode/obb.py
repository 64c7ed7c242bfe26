"""Rotated boxes and classes: the obb task."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import AnchorFreeHeads, Grid, cell_centers, dfl_distances
from edgekit.decode.candidates import pick_classes
from edgekit.decode.families import Formulas, formulas
from edgekit.decode.heads import Floats, RawHeads
from edgekit.decode.plan import Plan
from edgekit.decode.score_filter import Cells
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import sigmoid
from edgekit.ops.rotated import enclosing_boxes, long_side_first, rotated_nms
from edgekit.results import RotatedDetections


def decode_obb(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> RotatedDetections:
    """Decode one frame."""
    assert isinstance(plan.heads, AnchorFreeHeads)  # no family has rotated anchor boxes: the sidecar was checked
    parts = [_grid_boxes(plan, raw, *selected) for selected in plan.heads.selected(raw)]
    boxes, scores, class_ids = (np.concatenate(column) for column in zip(*parts, strict=True))
    finite = np.isfinite(boxes).all(axis=1)  # others are no objects
    boxes, scores, class_ids = boxes[finite], scores[finite], class_ids[finite]
    options = plan.options
    if plan.spec.end_to_end:
        keep = np.argsort(-scores, kind="stable")[: options.max_detections]
    else:
        keep = rotated_nms(
            boxes, scores, class_ids, iou_threshold=options.iou_threshold, max_detections=options.max_detections
        )
    return rotated_detections(plan, letterbox, boxes[keep], scores[keep], class_ids[keep])


def rotated_detections(
    plan: Plan, letterbox: Letterbox, boxes_xywhr: Floats, scores: Floats, class_ids: npt.NDArray[np.int32]
) -> RotatedDetections:
    """Return the results of boxes (n, 5) in input pixels, with their scores and class ids (n,)."""
    rotated = undo_rotated(long_side_first(boxes_xywhr), letterbox)
    upright = np.clip(enclosing_boxes(rotated), 0, np.tile(np.asarray(letterbox.source_wh, np.float32), 2))
    return RotatedDetections(upright, scores, class_ids, plan.spec.names, letterbox.source_wh, plan.device, rotated)


def undo_rotated(boxes_xywhr: Floats, letterbox: Letterbox) -> Floats:
    """Move boxes (n, 5) from input to source pixels.

    The scales of the two axes differ by the rounding of the resized size alone, so sides take their mean and angles
    stay.
    """
    scale = math.sqrt(letterbox.scale_xy[0] * letterbox.scale_xy[1])
    centers = letterbox.undo_points(boxes_xywhr[:, :2])
    return np.concatenate([centers, boxes_xywhr[:, 2:4] / np.float32(scale), boxes_xywhr[:, 4:]], axis=1)


def _grid_boxes(
    plan: Plan, raw: RawHeads, grid: Grid, cells: Cells, logits: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
    """Return boxes (n, 5) xywhr in input pixels, scores and class ids of one grid, not yet suppressed."""
    assert grid.extra is not None  # the task's role, bound on every stride
    spec, options = plan.spec, plan.options
    multi_label = options.multi_label or spec.end_to_end
    rows, class_ids = pick_classes(logits, options.score_threshold, multi_label=multi_label)
    cells = cells[rows]
    angles = decode_angles(grid.extra.to_floats(grid.extra.rows(raw).take(cells, axis=0)), formulas(spec.family))
    distances = dfl_distances(grid.box.to_floats(grid.box.rows(raw).take(cells, axis=0)), reg_max=spec.reg_max)
    boxes = decode_rotated(distances, angles, cells, grid_width=grid.width, stride=grid.stride)
    return np.concatenate([boxes, angles[:, None]], axis=1), sigmoid(logits[rows, class_ids]), class_ids


def decode_angles(rows: Floats, formulas: Formulas) -> Floats:
    """Return the angles (n,) in radians of the angle head's rows (n, 1)."""
    raw = rows[:, 0]
    return raw if formulas.raw_angle else (sigmoid(raw) - np.float32(0.25)) * np.float32(np.pi)


def decode_rotated(
    distances: Floats, angles: Floats, cells: npt.NDArray[np.intp], *, grid_width: int, stride: int
) -> Floats:
    """Decode rotated boxes from distances along their own axes.

    Half the difference of opposite distances, turned by the angle, leads from the cell's center to the box's
    (Ultralytics' dist2rbox).

    Args:
        distances: (n, 4) float32 grid cells: left, top, right, bottom.
        angles: (n,) float32 radians.
        cells: (n,) flat row-major cell indices.
        grid_width: Cells per row.
        stride: Input pixels per cell.

    Returns:
        (n, 4) float32 input pixels: center x, y, width, height, to be read with `angles`.
    """
    left_top, right_bottom = distances[:, :2], distances[:, 2:]
    x, y = ((right_bottom - left_top) / 2).T
    cos, sin = np.cos(angles), np.sin(angles)
    offset = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
    centers = cell_centers(cells, grid_width=grid_width) + offset
    return np.concatenate([centers, left_top + right_bottom], axis=1) * np.float32(stride)

"""Boxes, classes and key points: the pose task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import cell_centers
from edgekit.decode.candidates import Candidates
from edgekit.decode.families import Formulas, formulas
from edgekit.decode.heads import Floats, RawHeads
from edgekit.decode.plan import Plan
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.math import sigmoid
from edgekit.results import Poses


def decode_pose(plan: Plan, raw: RawHeads, letterbox: Letterbox) -> Poses:
    """Decode one frame; key points are read for survivors only."""
    objects = plan.objects(raw)
    points = _object_keypoints(plan, raw, objects)
    visibility = points[..., 2] if points.shape[2] == 3 else np.ones(points.shape[:2], np.float32)
    return Poses(
        letterbox.undo_boxes(objects.boxes_xyxy),
        objects.scores,
        objects.class_ids,
        plan.spec.names,
        letterbox.source_wh,
        plan.device,
        letterbox.undo_points(points[..., :2]),
        visibility,
    )


def _object_keypoints(plan: Plan, raw: RawHeads, objects: Candidates) -> Floats:
    """Return the key points (n, points, 2 or 3) of the objects in input pixels."""
    spec, rows = plan.spec, plan.heads.extra_rows(raw, objects)
    out = np.empty((len(objects), *spec.keypoint_shape), np.float32)
    for stride in spec.strides:
        index = objects.strides == stride
        out[index] = decode_keypoints(
            rows[index],
            objects.cells[index],
            grid_width=plan.outputs.get("keypoint", stride).grid_hw[1],
            stride=stride,
            keypoint_shape=spec.keypoint_shape,
            formulas=formulas(spec.family),
        )
    return out


def decode_keypoints(
    rows: Floats,
    cells: npt.NDArray[np.intp],
    *,
    grid_width: int,
    stride: int,
    keypoint_shape: tuple[int, ...],
    formulas: Formulas,
) -> Floats:
    """Decode the rows of one grid's key point head: raw * gain + center + shift, in cells (Ultralytics' Pose).

    Args:
        rows: (n, points * values) float32.
        cells: (n,) flat row-major cell indices.
        grid_width: Cells per row.
        stride: Input pixels per cell.
        keypoint_shape: (points, values): x, y and, where there is a third, visibility.
        formulas: The family's gain and shift.

    Returns:
        (n, points, values) float32: x and y in input pixels, visibility 0..1.
    """
    points = rows.reshape(len(rows), *keypoint_shape)
    centers = cell_centers(cells, grid_width=grid_width)[:, None]
    gain, shift = np.float32(formulas.keypoint_gain), np.float32(formulas.keypoint_shift)
    xy = (points[..., :2] * gain + centers + shift) * np.float32(stride)
    return np.concatenate([xy, sigmoid(points[..., 2:])], axis=-1)

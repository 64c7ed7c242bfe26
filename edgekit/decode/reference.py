"""Every cell decoded, nothing filtered: the plain reference, and the rows that a stock export gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.decode.anchorfree import AnchorFreeHeads, Grid, decode_boxes, dfl_distances
from edgekit.decode.families import formulas
from edgekit.decode.heads import Floats, RawHeads
from edgekit.decode.obb import decode_angles, decode_rotated
from edgekit.decode.plan import DecodeOptions, make_plan
from edgekit.decode.pose import decode_keypoints
from edgekit.decode.tasks import TASKS
from edgekit.decode.yolov5 import AnchorGrid, AnchorHeads
from edgekit.ops.math import sigmoid
from edgekit.spec import ModelSpec

Rows = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class AllRows:
    """Every row, stride by stride, cell by cell (YOLOv5: each cell's anchors one after the other).

    Attributes:
        boxes: (n, 4) float32 input pixels: xyxy, but center and size for obb.
        scores: (n, classes) float32, 0..1.
        extra: (n, k) float32: mask coefficients, flat key points with visibility 0..1, the angle in radians, or k = 0.
    """

    boxes: Floats
    scores: Floats
    extra: Floats


def decode_rows(heads: RawHeads, spec: ModelSpec) -> AllRows:
    """Decode all rows of one frame.

    Args:
        heads: Output name -> (1, h, w, c) integers or floats.
        spec: The model.

    Returns:
        The rows in pixels of the letterboxed input.

    Raises:
        ModelError: The heads do not fit the sidecar.
    """
    plan = make_plan(spec, DecodeOptions(), extra_role=TASKS[spec.task].extra_role, device="unknown")
    plan.outputs.check(heads)
    parts = [
        _anchor_rows(heads, plan.heads, grid) if isinstance(grid, AnchorGrid) else _free_rows(heads, spec, grid)
        for grid in plan.heads.grids
    ]
    return AllRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _free_rows(heads: RawHeads, spec: ModelSpec, grid: Grid) -> Rows:
    rows, scores = grid.box.floats(heads), sigmoid(grid.classes.floats(heads))
    extra = grid.extra.floats(heads) if grid.extra else np.empty((len(rows), 0), np.float32)
    cells, family = np.arange(len(rows)), formulas(spec.family)
    if spec.task == "obb":
        angles = decode_angles(extra, family)
        distances = dfl_distances(rows, reg_max=spec.reg_max)
        boxes = decode_rotated(distances, angles, cells, grid_width=grid.width, stride=grid.stride)
        return boxes, scores, angles[:, None]
    strides = np.full(len(rows), grid.stride, np.int32)
    boxes = decode_boxes(rows, grid.centers_xyxy, strides, reg_max=spec.reg_max)
    if spec.task == "pose":
        points = decode_keypoints(
            extra,
            cells,
            grid_width=grid.width,
            stride=grid.stride,
            keypoint_shape=spec.keypoint_shape,
            formulas=family,
        )
        return boxes, scores, points.reshape(extra.shape)
    return boxes, scores, extra


def _anchor_rows(heads: RawHeads, anchored: AnchorFreeHeads | AnchorHeads, grid: AnchorGrid) -> Rows:
    assert isinstance(anchored, AnchorHeads)  # its grids are of this kind
    slots = np.arange(len(grid.slots(heads)))
    rows = grid.floats(heads, slots)
    return grid.boxes(rows, slots), anchored.scores(rows), anchored.extra(rows)

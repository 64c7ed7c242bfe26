"""Anchor-free heads: DFL distances from cell centers (YOLOv8, v9, 10, 11, 12, 26)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.candidates import Candidates, pick_classes, without_nan
from edgekit.decode.heads import Floats, Head, Heads, RawHeads
from edgekit.decode.score_filter import Cells, ScoreFilter
from edgekit.ops.math import sigmoid
from edgekit.spec import ModelSpec, Role

SIDES = np.array((-1, -1, 1, 1), np.float32)  # the signs of the distances to left, top, right, bottom
SIDES.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The heads of one stride.

    Attributes:
        stride: Input pixels per cell.
        classes: Logits per class.
        box: Distances or their DFL bins.
        extra: What the task adds per cell (mask coefficients, key points, an angle); None for plain detection.
        select: The score threshold on `classes`.
        centers_xyxy: (cells, 4) float32 input pixels: each cell's center as x, y, x, y.
    """

    stride: int
    classes: Head
    box: Head
    extra: Head | None
    select: ScoreFilter
    centers_xyxy: Floats

    @property
    def width(self) -> int:
        """Cells per row."""
        return self.box.grid_hw[1]


class AnchorFreeHeads:
    """The heads of a model with one box per cell, and how they become candidates."""

    def __init__(self, heads: Heads, *, extra_role: Role | None, score_threshold: float) -> None:
        """Bind the heads of every stride.

        Args:
            heads: The model's outputs.
            extra_role: The role that the task adds to "box" and "class".
            score_threshold: 0..1; cells without a class above it are not decoded.
        """
        self.spec: ModelSpec = heads.spec
        self.score_threshold = score_threshold
        strides = sorted({head.stride for head in self.spec.outputs if head.role == "box"})
        self.grids = tuple(_bind(heads, stride, extra_role, score_threshold) for stride in strides)
        self._by_stride = {grid.stride: grid for grid in self.grids}

    def selected(self, raw: RawHeads) -> Iterator[tuple[Grid, Cells, Floats]]:
        """Yield each grid with its cells above the threshold and their logits; the last one even without any."""
        for grid in self.grids:
            cells, logits = grid.select(grid.classes.rows(raw))
            if len(cells) or grid is self.grids[-1]:  # so that no candidates have columns, too
                yield grid, cells, without_nan(logits)

    def candidates(self, raw: RawHeads, *, multi_label: bool = False) -> Candidates:
        """Decode the cells above the score threshold.

        Args:
            raw: The device's outputs, checked.
            multi_label: One candidate per (cell, class) instead of each cell's best class, as scoring for mAP does.

        Returns:
            Candidates in the order of strides and cells.
        """
        parts = [
            (
                cells,
                logits,
                grid.box.to_floats(grid.box.rows(raw).take(cells, axis=0)),
                grid.centers_xyxy.take(cells, axis=0),
                np.full(len(cells), grid.stride, np.int32),
            )
            for grid, cells, logits in self.selected(raw)
        ]
        cells, logits, rows, centers, strides = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        boxes = decode_boxes(rows, centers, strides, reg_max=self.spec.reg_max)
        index, class_ids = pick_classes(logits, self.score_threshold, multi_label=multi_label)
        scores = sigmoid(logits[index, class_ids])
        if multi_label:
            boxes, strides, cells = boxes[index], strides[index], cells[index]
        return Candidates(boxes, scores, class_ids, strides, cells).finite()

    def extra_rows(self, raw: RawHeads, candidates: Candidates) -> Floats:
        """Read the task's extra head at the candidates' own cells: (n, channels) float32."""
        channels = next(grid.extra.spec.channels for grid in self.grids if grid.extra is not None)
        out = np.empty((len(candidates), channels), np.float32)
        for stride in set(candidates.strides.tolist()):
            extra = self._by_stride[stride].extra
            assert extra is not None  # bound by the same role on every stride
            index = (candidates.strides == stride).nonzero()[0]
            out[index] = extra.to_floats(extra.rows(raw).take(candidates.cells.take(index), axis=0))
        return out


def _bind(heads: Heads, stride: int, extra_role: Role | None, score_threshold: float) -> Grid:
    classes, box = heads.get("class", stride), heads.get("box", stride)
    extra = heads.get(extra_role, stride) if extra_role else None
    centers = cell_centers(np.arange(box.grid_hw[0] * box.grid_hw[1]), grid_width=box.grid_hw[1]) * np.float32(stride)
    return Grid(
        stride, classes, box, extra, ScoreFilter(classes, score_threshold), np.concatenate([centers, centers], axis=1)
    )


def decode_boxes(rows: Floats, centers_xyxy: Floats, strides: npt.NDArray[np.int32], *, reg_max: int) -> Floats:
    """Decode boxes from distances to their cells' centers.

    Args:
        rows: (n, 4 * reg_max) float32, the box head's rows.
        centers_xyxy: (n, 4) float32 input pixels, each center as x, y, x, y.
        strides: (n,) input pixels per cell.
        reg_max: DFL bins per side; 1 for distances without bins.

    Returns:
        (n, 4) float32 xyxy input pixels.
    """
    steps = strides.astype(np.float32)[:, None] * SIDES
    return centers_xyxy + dfl_distances(rows, reg_max=reg_max) * steps


def dfl_distances(rows: Floats, *, reg_max: int) -> Floats:
    """Return distances in grid cells from the bins of a box head.

    The expectation of a softmax over `reg_max` bins (Generalized Focal Loss, arXiv 2006.04388); with reg_max 1 the
    rows are the distances themselves (YOLO26).

    Args:
        rows: (n, 4 * reg_max) float32.
        reg_max: Bins per side.

    Returns:
        (n, 4) float32: left, top, right, bottom.
    """
    if reg_max == 1:
        return rows
    bins = np.array(rows.reshape(-1, reg_max).T, order="C")  # bins first: numpy is slow along short last axes
    bins -= np.maximum.reduce(bins, axis=0)
    weights = np.exp(bins, out=bins)
    expectation, total = _bins_and_ones(reg_max) @ weights
    return np.asarray(expectation / total, np.float32).reshape(-1, 4)


@functools.lru_cache
def _bins_and_ones(reg_max: int) -> Floats:
    """Return (2, reg_max): one product with it gives both the expectation's numerator and its denominator."""
    return np.stack([np.arange(reg_max), np.ones(reg_max)]).astype(np.float32)


def cell_centers(cells: npt.NDArray[np.intp], *, grid_width: int) -> Floats:
    """Return the centers (n, 2) x, y in grid cells of flat row-major cell indices (n,)."""
    row, column = np.divmod(cells, grid_width)
    return np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)

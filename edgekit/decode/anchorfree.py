"""Anchor-free boxes: DFL distances from cell centres (YOLOv8, v9, 10, 11, 12, 26)."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def decode_boxes(
    rows: Floats,
    cells: npt.NDArray[np.intp],
    *,
    grid_width: int | npt.NDArray[np.intp],
    stride: int | npt.NDArray[np.int32],
    reg_max: int,
) -> Floats:
    """Boxes (n, 4) xyxy in input pixels of the box head's `rows` (n, 4 * reg_max) at these flat cell indices.

    Rows of several grids go together with a `grid_width` (n,) and a `stride` (n, 1) for each.
    """
    centres = cell_centres(cells, grid_width=grid_width)
    return distances_to_boxes(centres, dfl_distances(rows, reg_max=reg_max)) * np.asarray(stride, np.float32)


def dfl_distances(rows: Floats, *, reg_max: int) -> Floats:
    """Distances (n, 4), left, top, right, bottom, in grid cells.

    The expectation of a softmax over `reg_max` bins (Generalized Focal Loss, arXiv 2006.04388); with
    reg_max 1 the rows are the distances themselves (YOLO26).
    """
    if reg_max == 1:
        return rows
    bins = np.ascontiguousarray(rows.reshape(-1, reg_max).T)  # bins first: numpy is slow along short last axes
    weights = np.exp(bins - np.maximum.reduce(bins, axis=0))
    expectation, total = _bins_and_ones(reg_max) @ weights
    return np.asarray(expectation / total, np.float32).reshape(-1, 4)


@functools.lru_cache
def _bins_and_ones(reg_max: int) -> Floats:
    """(2, reg_max): one product with it gives both the expectation's numerator and its denominator."""
    return np.stack([np.arange(reg_max), np.ones(reg_max)]).astype(np.float32)


def cell_centres(cells: npt.NDArray[np.intp], *, grid_width: int | npt.NDArray[np.intp]) -> Floats:
    """Centres (n, 2) x, y in grid cells of flat row-major cell indices."""
    centres = np.empty((len(cells), 2), np.float32)
    centres[:, 1], centres[:, 0] = np.divmod(cells, grid_width)
    centres += 0.5
    return centres


def distances_to_boxes(centres_xy: Floats, distances: Floats) -> Floats:
    """Corners (n, 4): centre minus left/top, centre plus right/bottom, in the unit of both."""
    return np.concatenate([centres_xy - distances[:, :2], centres_xy + distances[:, 2:]], axis=1)

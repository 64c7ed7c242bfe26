"""Anchor-free boxes: DFL distances from cell centres (YOLOv8, v9, 10, 11, 12, 26)."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def decode_boxes(rows: Floats, places: Floats, *, reg_max: int) -> Floats:
    """Boxes (n, 4) xyxy in input pixels of the box head's `rows` (n, 4 * reg_max) at these `box_places` (n, 8)."""
    return places[:, :4] + dfl_distances(rows, reg_max=reg_max) * places[:, 4:]


@functools.lru_cache
def box_places(grid_hw: tuple[int, int], stride: int) -> Floats:
    """(cells, 8) in input pixels: every cell's centre as x, y, x, y, and the step of a cell to each side.

    Nobody may write to it: one for all frames.
    """
    height, width = grid_hw
    centres = cell_centres(np.arange(height * width), grid_width=width)
    steps = np.broadcast_to(np.asarray((-1, -1, 1, 1), np.float32), (height * width, 4))
    places = np.concatenate([centres, centres, steps], axis=1) * np.float32(stride)
    places.flags.writeable = False
    return places


def dfl_distances(rows: Floats, *, reg_max: int) -> Floats:
    """Distances (n, 4), left, top, right, bottom, in grid cells.

    The expectation of a softmax over `reg_max` bins (Generalized Focal Loss, arXiv 2006.04388); with
    reg_max 1 the rows are the distances themselves (YOLO26).
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
    """(2, reg_max): one product with it gives both the expectation's numerator and its denominator."""
    return np.stack([np.arange(reg_max), np.ones(reg_max)]).astype(np.float32)


def cell_centres(cells: npt.NDArray[np.intp], *, grid_width: int) -> Floats:
    """Centres (n, 2) x, y in grid cells of flat row-major cell indices."""
    row, column = np.divmod(cells, grid_width)
    return np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)

"""Which cells are worth decoding: the threshold is moved into the raw domain, nothing else is touched."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import HeadRows, scale_array
from edgekit.ops.math import logit

Cells = npt.NDArray[np.intp]
Grids = npt.NDArray[np.intp]
Logits = npt.NDArray[np.float32]
BLOCK = 40  # cells that share one maximum: long enough for vector units, short enough to skip most of a picture
STEPS = np.arange(BLOCK)


def gate_grids(classes: Sequence[HeadRows], score_threshold: float) -> tuple[Grids, Cells, Logits]:
    """The cells of several grids in which some class scores above the threshold; all of them at 0 or below.

    Gives, grid by grid, the index of the grid (n,), the cell in it (n,) and the logits (n, channels) float32.
    sigmoid(x) > t is x > logit(t), and for integers x = raw * scale[c] it is raw > floor(logit(t) / scale[c]).
    Every number is read once, in blocks of whole cells; single cells are looked at in the blocks that pass.
    """
    found = [_cells_above(head, score_threshold) for head in classes]
    grids = np.repeat(np.arange(len(classes)), [len(cells) for cells in found])
    cells = np.concatenate(found)
    rows = [head.floats(own) for head, own in zip(classes, found, strict=True) if len(own)]
    logits = np.concatenate(rows) if rows else np.empty((0, classes[0].head.channels), np.float32)
    if score_threshold <= 0:
        return grids, cells, logits
    above = (logits > np.float32(logit(score_threshold))).any(axis=1).nonzero()[0]
    return grids.take(above), cells.take(above), logits.take(above, axis=0)


def gate_cells(classes: HeadRows, score_threshold: float) -> tuple[Cells, Logits]:
    """The same for one grid: cells (n,), logits (n, channels)."""
    _, cells, logits = gate_grids([classes], score_threshold)
    return cells, logits


def raw_threshold(classes: HeadRows, score_threshold: float) -> npt.NDArray[Any]:
    """A bound (), in the head's dtype, at or below which no raw value passes in any channel."""
    return _raw_threshold(classes.head.scale, classes.raw.dtype.str, score_threshold)


@functools.lru_cache(maxsize=64)
def _raw_threshold(scale: tuple[float, ...], dtype: str, score_threshold: float) -> npt.NDArray[Any]:
    bound = logit(score_threshold)
    if not scale:
        return np.asarray(bound, dtype)
    limits = np.iinfo(np.dtype(dtype))
    lowest = np.floor(bound / scale_array(scale).astype(np.float64)).min()
    return np.asarray(np.clip(lowest - 1, limits.min, limits.max)).astype(dtype)  # 1: products are rounded to float32


def _cells_above(classes: HeadRows, score_threshold: float) -> Cells:
    """The cells of every block that may hold a class above the threshold, and those behind the last whole block."""
    raw = classes.raw
    if score_threshold <= 0:
        return np.arange(len(raw))
    blocks = len(raw) // BLOCK
    whole = blocks * BLOCK
    maxima = np.maximum.reduce(raw[:whole].reshape(blocks, BLOCK * raw.shape[1]), axis=1)
    below = maxima <= raw_threshold(classes, score_threshold)
    passed = (~below).nonzero()[0]  # so that a block with a NaN is looked at, too
    cells = (passed[:, None] * BLOCK + STEPS).reshape(-1)
    return cells if whole == len(raw) else np.concatenate([cells, np.arange(whole, len(raw))])

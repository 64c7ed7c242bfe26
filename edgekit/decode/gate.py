"""Which cells are worth decoding: the threshold is moved into the raw domain, nothing else is touched."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import HeadRows, scale_array
from edgekit.ops.math import logit

Cells = npt.NDArray[np.intp]
BLOCK = 40  # cells that share one maximum: long enough for vector units, short enough to skip most of a picture
STEPS = np.arange(BLOCK)


def gate_cells(classes: HeadRows, score_threshold: float) -> tuple[Cells, npt.NDArray[np.float32]]:
    """The cells in which some class scores above the threshold (all of them at 0 or below), and their logits.

    Cells (n,), logits (n, channels) float32. sigmoid(x) > t is x > logit(t), and for integers x = raw * scale[c]
    it is raw > floor(logit(t) / scale[c]). Every number is read once, in blocks of whole cells; single cells
    are looked at in the blocks that pass.
    """
    if score_threshold <= 0:
        return np.arange(len(classes.raw)), classes.floats()
    threshold = raw_threshold(classes, score_threshold)
    cells = _cells_of_blocks(classes.raw, threshold.min())
    if not len(cells):
        return cells, np.empty((0, classes.head.channels), np.float32)
    rows = classes.raw.take(cells, axis=0)
    above = (rows > threshold).any(axis=1).nonzero()[0]
    return cells.take(above), classes.to_floats(rows.take(above, axis=0))


def raw_threshold(classes: HeadRows, score_threshold: float) -> npt.NDArray[Any]:
    """The threshold on raw values, in their dtype: () for floats, (1,) or (channels,) for integers."""
    return _raw_threshold(classes.head.scale, classes.raw.dtype.str, score_threshold)


@functools.lru_cache(maxsize=64)
def _raw_threshold(scale: tuple[float, ...], dtype: str, score_threshold: float) -> npt.NDArray[Any]:
    bound = logit(score_threshold)
    if not scale:
        return np.asarray(bound, dtype)
    limits = np.iinfo(np.dtype(dtype))
    integers = np.floor(bound / scale_array(scale).astype(np.float64))
    return np.clip(integers, limits.min, limits.max).astype(dtype)


def _cells_of_blocks(raw: npt.NDArray[Any], threshold: np.generic) -> Cells:
    """The cells of every block that may hold a value above `threshold`, and those behind the last whole block."""
    blocks = len(raw) // BLOCK
    whole = blocks * BLOCK
    maxima = np.maximum.reduce(raw[:whole].reshape(blocks, BLOCK * raw.shape[1]), axis=1)
    passed = (~(maxima <= threshold)).nonzero()[0]  # so that a block with a NaN is looked at, too
    cells = (passed[:, None] * BLOCK + STEPS).reshape(-1)
    return cells if whole == len(raw) else np.concatenate([cells, np.arange(whole, len(raw))])

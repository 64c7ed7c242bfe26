"""The score threshold in a head's own numbers: cells are selected first, dequantized and decoded after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import Floats, Head
from edgekit.ops.math import logit

Cells = npt.NDArray[np.intp]
BLOCK_CELLS = 40  # that share one maximum: long enough for vector units, short enough to skip most of an image


@dataclass(frozen=True, slots=True, eq=False)
class RawLimits:
    """A score threshold in a head's own numbers.

    Attributes:
        per_channel: () or (channels,): numbers above it pass.
        lowest: The smallest of these.
        per_block: `per_channel` for the numbers of a block in a row: numpy is slow along short last axes.
    """

    per_channel: npt.NDArray[Any]
    lowest: Any
    per_block: npt.NDArray[Any]


class ScoreFilter:
    """Selects the cells of one class head that can become objects; the threshold is bound once."""

    def __init__(self, head: Head, score_threshold: float) -> None:
        """Convert `score_threshold` (0..1) to the numbers of `head`; one of 0 or below selects every cell."""
        self._head = head
        self._limits = raw_limits(head, score_threshold) if score_threshold > 0 else None

    def __call__(self, rows: npt.NDArray[Any]) -> tuple[Cells, Floats]:
        """Return the cells whose best class scores above the threshold.

        Blocks of `BLOCK_CELLS` cells are tested by their maximum first; single numbers are compared in the blocks
        that pass, and only selected cells are dequantized.

        Args:
            rows: (cells, classes) logits in the device's numbers.

        Returns:
            Indices (n,) of the cells in ascending order, and their logits (n, classes) float32.
        """
        limits = self._limits
        if limits is None:
            return np.arange(len(rows)), self._head.to_floats(rows)
        channels, whole = rows.shape[1], len(rows) // BLOCK_CELLS * BLOCK_CELLS
        blocks = rows[:whole].reshape(-1, BLOCK_CELLS * channels)
        passed = (np.fmax.reduce(blocks, axis=1) > limits.lowest).nonzero()[0]  # fmax: a NaN hides nothing
        if len(passed) == 0 and whole == len(rows):
            return passed, np.empty((0, channels), np.float32)
        if 2 * len(passed) > len(blocks):  # all of them, then: no copy
            passed, selected = np.arange(len(blocks)), blocks
        else:
            selected = blocks.take(passed, axis=0)
        above = np.zeros(len(passed) * BLOCK_CELLS, np.bool_)
        above[(selected > limits.per_block).reshape(-1).nonzero()[0] // channels] = True
        index = above.nonzero()[0]
        block, step = np.divmod(index, BLOCK_CELLS)
        cells, selected = passed.take(block) * BLOCK_CELLS + step, selected.reshape(-1, channels).take(index, axis=0)
        if whole < len(rows):
            tail = (rows[whole:] > limits.per_channel).any(axis=1).nonzero()[0] + whole
            cells, selected = np.concatenate([cells, tail]), np.concatenate([selected, rows.take(tail, axis=0)])
        return cells, self._head.to_floats(selected)


def filter_reference(head: Head, rows: npt.NDArray[Any], score_threshold: float) -> tuple[Cells, Floats]:
    """Do what `ScoreFilter` does as the definition reads, every number dequantized: its oracle."""
    logits = head.to_floats(rows)
    cells = np.arange(len(logits))
    if score_threshold > 0:
        cells = np.flatnonzero((logits > np.float32(logit(score_threshold))).any(axis=1))
    return cells, logits[cells]


def raw_limits(head: Head, score_threshold: float) -> RawLimits:
    """Convert a score threshold to a head's numbers.

    sigmoid(x) > t is x > logit(t); for integers, x = float32(number) * scale[c], it is number > an integer.
    """
    threshold = np.float32(logit(score_threshold))
    if not head.spec.scale:
        return RawLimits(np.asarray(threshold), np.asarray(threshold), np.asarray(threshold))
    bits = np.iinfo(head.dtype)
    limits = _last_at_or_below(threshold, head.scale, bits)
    if limits.min() >= bits.min:  # else every number of a channel passes: a limit that only a larger type holds
        limits = limits.astype(head.dtype)
    return RawLimits(limits, limits.min(), np.tile(np.broadcast_to(limits, head.spec.channels), BLOCK_CELLS))


def _last_at_or_below(threshold: np.float32, scale: Floats, bits: np.iinfo[Any]) -> npt.NDArray[np.int64]:
    """Return per channel the largest integer whose float32 product with its scale is not above `threshold`.

    By bisection, since products near the threshold may be rounded to either side; one below the smallest integer if
    there is none.
    """
    low = np.full(len(scale), bits.min - 1, np.int64)
    high = np.full(len(scale), bits.max, np.int64)
    while (low < high).any():
        middle = (low + high + 1) // 2
        below = middle.astype(np.float32) * scale <= threshold
        low, high = np.where(below, middle, low), np.where(below, high, middle - 1)
    return low

"""Which cells are worth decoding: the threshold is moved into the raw domain, nothing else is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import HeadRows, scale_array
from edgekit.decode.memoize import once_per_object
from edgekit.ops.math import logit
from edgekit.spec import HeadSpec

Cells = npt.NDArray[np.intp]
Logits = npt.NDArray[np.float32]
BLOCK = 40  # cells that share one maximum: long enough for vector units, short enough to skip most of an image


def filter_cells(classes: HeadRows, score_threshold: float) -> tuple[Cells, Logits]:
    """The cells (n,) of a grid in which some class scores above the threshold, and their logits (n, channels) float32.

    All of them at a threshold of 0 or below.
    Every number is read once, in blocks of whole cells; single numbers are looked at in the blocks that pass, and
    only the cells that are left leave the device's own numbers.
    """
    raw = classes.raw
    if score_threshold <= 0:
        return np.arange(len(raw)), classes.floats()
    limits = raw_limits(classes.head, score_threshold)
    channels, whole = raw.shape[1], len(raw) // BLOCK * BLOCK
    blocks = raw[:whole].reshape(-1, BLOCK * channels)
    passed = (np.fmax.reduce(blocks, axis=1) > limits.lowest).nonzero()[0]  # fmax: a NaN hides nothing
    if len(passed) == 0 and whole == len(raw):
        return passed, np.empty((0, channels), np.float32)
    if 2 * len(passed) > len(blocks):  # all of them, then: no copy
        passed, rows = np.arange(len(blocks)), blocks
    else:
        rows = blocks.take(passed, axis=0)
    above = np.zeros(len(passed) * BLOCK, np.bool_)
    above[(rows > limits.of_block).reshape(-1).nonzero()[0] // channels] = True
    places = above.nonzero()[0]
    block, step = np.divmod(places, BLOCK)
    cells, rows = passed.take(block) * BLOCK + step, rows.reshape(-1, channels).take(places, axis=0)
    if whole < len(raw):
        rest = (raw[whole:] > limits.each).any(axis=1).nonzero()[0] + whole
        cells, rows = np.concatenate([cells, rest]), np.concatenate([rows, raw.take(rest, axis=0)])
    return cells, classes.to_floats(rows)


def gate_reference(classes: HeadRows, score_threshold: float) -> tuple[Cells, Logits]:
    """The same as the definition reads, every number made a float: the oracle of `filter_cells`."""
    logits = classes.floats()
    cells = np.arange(len(logits))
    if score_threshold > 0:
        cells = np.flatnonzero((logits > np.float32(logit(score_threshold))).any(axis=1))
    return cells, logits[cells]


@dataclass(frozen=True, slots=True)
class RawLimits:
    """A threshold in a head's own numbers: those above `each`, () or (channels,), pass; `lowest` is its least.

    `of_block` is `each` for the numbers of a block in a row: numpy is slow along short last axes.
    """

    each: npt.NDArray[Any]
    lowest: Any
    of_block: npt.NDArray[Any]


@once_per_object
def raw_limits(head: HeadSpec, score_threshold: float) -> RawLimits:
    """sigmoid(x) > t is x > logit(t); for integers x = float32(raw) * scale[c] it is raw > a whole number."""
    bound = np.float32(logit(score_threshold))
    if not head.scale:
        return RawLimits(np.asarray(bound), np.asarray(bound), np.asarray(bound))
    bits = np.iinfo(np.dtype(head.dtype))
    each = _last_at_or_below(bound, scale_array(head), bits)
    if each.min() >= bits.min:  # else every number of a channel passes: a limit that only a wider type holds
        each = each.astype(head.dtype)
    return RawLimits(each, each.min(), np.tile(np.broadcast_to(each, head.channels), BLOCK))


def _last_at_or_below(bound: np.float32, factors: Logits, bits: np.iinfo[Any]) -> npt.NDArray[np.int64]:
    """Per channel the largest whole number whose product with its factor, rounded to float32, is not above `bound`.

    By bisection, since products near the bound may be rounded to either side; one below the smallest where none is.
    """
    low = np.full(len(factors), bits.min - 1, np.int64)
    high = np.full(len(factors), bits.max, np.int64)
    while (low < high).any():
        middle = (low + high + 1) // 2
        below = middle.astype(np.float32) * factors <= bound
        low, high = np.where(below, middle, low), np.where(below, high, middle - 1)
    return low

"""A histogram of absolute values that grows with its data: one pass, any number of images, constant memory.

Its largest values are kept as they are, so that the usual percentiles are exact: they are one value's, as the vendor's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 17  # elements counted at once: they stay in the cache
BINS = 8192  # at least half of them lie below the largest value seen
SMALLEST = 2.0**-40  # the range of a tensor that is all zeros
TAIL = 1 << 13  # largest values kept: the percentile 0.9999 of 80 million elements is among them


@dataclass(slots=True)
class Histogram:
    """Counts of |x| in `BINS` equal bins over [0, reach); `reach` is a power of two. `tail`: the largest, ascending.

    Because ranges are powers of two, widening merges neighbouring bins exactly: the counts do not depend on the
    order or the portions in which the data came.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    reach: float = SMALLEST
    largest: float = 0.0
    tail: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def add(self, values: NDArray[np.floating]) -> None:
        """Count every element of `values`; raises ValueError where one is not finite."""
        flat = np.asarray(values, np.float32).reshape(-1)
        if flat.size == 0:
            return
        largest = max(float(flat.max()), -float(flat.min()))
        if not math.isfinite(largest):
            raise ValueError("not finite")
        self._widen(largest)
        self.largest = max(self.largest, largest)
        factor = np.float32(BINS / self.reach)  # a power of two: the product is exact
        tails = [self.tail]
        for start in range(0, flat.size, BLOCK):
            block = np.abs(flat[start : start + BLOCK])
            self.counts += np.bincount((block * factor).astype(np.intp), minlength=BINS)
            tails.append(block[block > self.tail[0]] if self.tail.size == TAIL else _largest(block))
        self.tail = _largest(np.concatenate(tails))

    @property
    def total(self) -> int:
        """Number of elements counted."""
        return int(self.counts.sum())

    @property
    def bin_width(self) -> float:
        """Width of a bin, in the tensor's values."""
        return self.reach / BINS

    def _widen(self, largest: float) -> None:
        while largest >= self.reach:
            self.reach *= 2
            if self.largest == 0.0:
                continue  # only zeros so far: they stay in the first bin
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate([merged, np.zeros(BINS // 2, np.int64)])


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The `TAIL` largest values, or all, ascending."""
    return np.sort(np.partition(values, values.size - TAIL)[-TAIL:] if values.size > TAIL else values)

"""The memory that the tensors of a frame share: where each buffer lies, by when it is needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ALIGN = 64  # bytes: a cache line


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer is needed from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


def arrange(lifetimes: Mapping[str, Lifetime]) -> tuple[dict[str, int], int]:
    """Offsets in one arena so that buffers alive together do not overlap, and the arena's size.

    Largest first, each at the lowest free offset.
    """
    placed: list[tuple[int, int, Lifetime]] = []
    offsets: dict[str, int] = {}
    for name in sorted(lifetimes, key=lambda n: (-lifetimes[n].size, n)):
        life = lifetimes[name]
        beside = sorted((start, end) for start, end, placed_life in placed if _meet(life, placed_life))
        offsets[name] = start = _lowest_gap(beside, life.size)
        placed.append((start, start + life.size, life))
    return offsets, max((end for _, end, _ in placed), default=0)


def _meet(a: Lifetime, b: Lifetime) -> bool:
    return a.first <= b.last and b.first <= a.last


def _lowest_gap(taken: Iterable[tuple[int, int]], size: int) -> int:
    start = 0
    for low, high in taken:
        if low - start >= size:
            break
        start = max(start, math.ceil(high / ALIGN) * ALIGN)
    return start

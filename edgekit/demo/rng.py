"""Seeded choices that come out the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
DIGITS = 6  # libm may differ in the last bit between machines; rounded, it does not


class Rng:
    """A seeded source of choices; every number leaves it as a plain Python value.

    Plain values, because numpy 1.26 and 2.x promote numpy scalars differently: a float32 image times a
    numpy float64 would be float32 in one and float64 in the other.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def between(self, low: float, high: float) -> float:
        """Return a number uniform in [low, high)."""
        return low + (high - low) * float(self._rng.random())

    def log_between(self, low: float, high: float) -> float:
        """Return a number log-uniform in [low, high): as many small ones as large ones."""
        part = float(self._rng.random())
        return round(low * math.pow(high / low, part), DIGITS)

    def integer(self, low: int, high: int) -> int:
        """Return an integer in low..high, both included."""
        return int(self._rng.integers(low, high + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self._rng.random()) < probability

    def field(self, *shape: int) -> npt.NDArray[np.float32]:
        """Return float32 in [0, 1) of this shape."""
        return self._rng.random(shape, dtype=np.float32)


def turn(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in radians, rounded so that every machine agrees."""
    return round(math.cos(angle), DIGITS), round(math.sin(angle), DIGITS)

"""Memory that is filled again from frame to frame; each thread has a set of its own."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


class Buffers:
    """uint8 arrays by name; they only grow, so that images of changing sizes cost no new memory either.

    Not for several threads at once.
    """

    def __init__(self) -> None:
        self._flat: dict[str, npt.NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """Return the memory of this name in this shape, with whatever the last frame left in it."""
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size:
            flat = self._flat[name] = np.empty(size, np.uint8)
        return flat[:size].reshape(shape)

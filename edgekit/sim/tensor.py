"""The shape and dtype of a tensor, fixed when a graph is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

INT_DTYPES: dict[int, np.dtype[Any]] = {8: np.dtype(np.int8), 16: np.dtype(np.int16), 32: np.dtype(np.int32)}


@dataclass(frozen=True, slots=True)
class TensorType:
    """What a tensor will be: all sizes known, no batch wildcard."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def channels(self) -> int:
        """The size of the last axis: tensors are NHWC."""
        return self.shape[-1]

    @property
    def bits(self) -> int:
        """Bits of one element."""
        return self.dtype.itemsize * 8

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


def int_type(shape: tuple[int, ...], bits: int) -> TensorType:
    """Return the type of an integer tensor of 8, 16 or 32 bits."""
    return TensorType(tuple(shape), INT_DTYPES[bits])

"""Where a tensor lies while a frame runs: in the arena that all frames share out, or in an array of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgekit.sim.fast.structs import Strides

ALIGN = 64


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor NHWC inside the buffer `root`, with `pixel` bytes from one pixel to the next.

    int8 tensors lie there as x + 128 in one unsigned byte. Tensors that are not four-dimensional are their own
    root and contiguous.
    """

    root: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    pixel: int
    row: int
    image: int
    offset: int = 0

    @property
    def strides(self) -> Strides:
        return Strides(self.pixel, self.row, self.image)

    def channels(self, first: int, count: int) -> Place:
        """The part with `count` channels from `first` on."""
        return replace(self, shape=(*self.shape[:-1], count), offset=self.offset + first * self.dtype.itemsize)

    def every(self, row: int, col: int, step_hw: tuple[int, int]) -> Place:
        """Only the pixels (row + i * step, col + j * step)."""
        n, height, width, channels = self.shape
        return replace(
            self,
            shape=(n, height // step_hw[0], width // step_hw[1], channels),
            offset=self.offset + row * self.row + col * self.pixel,
            pixel=self.pixel * step_hw[1],
            row=self.row * step_hw[0],
        )

    def joined(self, count: int) -> Place:
        """A contiguous tensor with every `count` neighbouring pixels taken as one."""
        n, height, width, channels = self.shape
        return replace(self, shape=(n, height, width // count, channels * count), pixel=self.pixel * count)

    def broadcast(self, shape: tuple[int, ...]) -> Place:
        """A tensor (n, 1, 1, c) read as if every pixel of `shape` had its values."""
        return replace(self, shape=shape, pixel=0, row=0)


def whole(root: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Place:
    """A contiguous tensor that fills its buffer."""
    pixel = (shape[-1] if shape else 1) * dtype.itemsize
    row = pixel * (shape[2] if len(shape) == 4 else 1)
    image = row * (shape[1] if len(shape) == 4 else 1)
    return Place(root, shape, dtype, pixel, row, image)


def stored_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(np.uint8) if dtype == np.int8 else dtype


def view(place: Place, buffer: np.ndarray, start: int = 0) -> np.ndarray:
    """The tensor as a (strided) array over the bytes of its buffer."""
    stored = stored_dtype(place.dtype)
    strides = (place.image, place.row, place.pixel, stored.itemsize) if len(place.shape) == 4 else None
    tensor: np.ndarray = np.ndarray(place.shape, stored, buffer.data, start + place.offset, strides)
    return tensor


def flip(array: np.ndarray) -> np.ndarray:
    """int8 to x + 128 in uint8, and back; other dtypes as they are."""
    flipped: np.ndarray = array
    if array.dtype == np.int8:
        flipped = array.view(np.uint8) ^ np.uint8(0x80)
    elif array.dtype == np.uint8:
        flipped = (array ^ np.uint8(0x80)).view(np.int8)
    return flipped


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
        beside = sorted((start, end) for start, end, other in placed if _meet(life, other))
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

"""A tensor inside a buffer: in the arena of a frame, or in an array of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgekit.sim.fast.structs import Strides


@dataclass(frozen=True, slots=True)
class TensorView:
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
        """Its strides in bytes, as the kernels take them."""
        return Strides(self.pixel, self.row, self.image)

    def channels(self, first: int, count: int) -> TensorView:
        """The part with `count` channels from `first` on."""
        return replace(self, shape=(*self.shape[:-1], count), offset=self.offset + first * self.dtype.itemsize)

    def strided(self, row: int, col: int, step_hw: tuple[int, int]) -> TensorView:
        """Only the pixels (row + i * step, col + j * step)."""
        n, height, width, channels = self.shape
        return replace(
            self,
            shape=(n, height // step_hw[0], width // step_hw[1], channels),
            offset=self.offset + row * self.row + col * self.pixel,
            pixel=self.pixel * step_hw[1],
            row=self.row * step_hw[0],
        )

    def merge_pixels(self, count: int) -> TensorView:
        """A contiguous tensor with every `count` neighbouring pixels taken as one."""
        n, height, width, channels = self.shape
        return replace(self, shape=(n, height, width // count, channels * count), pixel=self.pixel * count)

    def broadcast(self, shape: tuple[int, ...]) -> TensorView:
        """A tensor (n, 1, 1, c) read as if every pixel of `shape` had its values."""
        return replace(self, shape=shape, pixel=0, row=0)


def contiguous(root: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> TensorView:
    """A contiguous tensor that fills its buffer."""
    pixel = (shape[-1] if shape else 1) * dtype.itemsize
    row = pixel * (shape[2] if len(shape) == 4 else 1)
    image = row * (shape[1] if len(shape) == 4 else 1)
    return TensorView(root, shape, dtype, pixel, row, image)


def stored_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """Return the dtype in which a tensor is stored: int8 as uint8 (x + 128)."""
    return np.dtype(np.uint8) if dtype == np.int8 else dtype


def as_array(tensor: TensorView, buffer: np.ndarray, start: int = 0) -> np.ndarray:
    """Return the tensor as a (strided) array over the bytes of its buffer, which begins `start` bytes in."""
    stored = stored_dtype(tensor.dtype)
    strides = (tensor.image, tensor.row, tensor.pixel, stored.itemsize) if len(tensor.shape) == 4 else None
    array: np.ndarray = np.ndarray(tensor.shape, stored, buffer.data, start + tensor.offset, strides)
    return array


def flip(array: np.ndarray) -> np.ndarray:
    """Return int8 as x + 128 in uint8, uint8 as int8 again, and other dtypes as they are."""
    flipped: np.ndarray = array
    if array.dtype == np.int8:
        flipped = array.view(np.uint8) ^ np.uint8(0x80)
    elif array.dtype == np.uint8:
        flipped = (array ^ np.uint8(0x80)).view(np.int8)
    return flipped

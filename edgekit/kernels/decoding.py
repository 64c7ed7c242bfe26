"""Decoding by compiled kernels: pure functions on arrays, whose sizes and types are checked before C is entered."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError
from edgekit.kernels.addresses import address
from edgekit.kernels.decode_layout import TYPES, PlanLayout, plan_block
from edgekit.kernels.decode_structs import (
    ABI,
    KIND_ROTATED,
    AxisBlock,
    FrameBlock,
    ObjectsBlock,
    PlanBlock,
    layout_checks,
)
from edgekit.kernels.library import Kernels, load_kernels
from edgekit.kernels.source import KernelSource

Floats = npt.NDArray[np.float32]
NO_MEMORY_HINT = "close other programs, or use a smaller model"


@functools.cache
def decode_kernels() -> Kernels:
    """Return the kernels for this machine, or the reason why there are none; never raises."""
    return load_kernels(decode_source())


def decode_source() -> KernelSource:
    """Return `decode.c` and what its library must offer."""
    return KernelSource("decode", Path(__file__).with_name("decode.c"), layout_checks(), ABI, _declare)


class Objects(NamedTuple):
    """The objects of one frame, best first.

    Attributes:
        boxes: (n, 4) float32 xyxy input pixels; rotated: (n, 5) center x, y, width, height, angle.
        image_boxes: (n, 4) float32 xyxy source pixels, clipped to the image; not for rotated boxes.
        scores: (n,) float32, 0..1.
        class_ids: (n,) int32.
        extra: (n, channels) float32: mask coefficients, or key points with x, y in source pixels.
        windows: (n, 4) int64 prototype cells x1, y1, x2, y2 where there are prototypes.
        logits: Mask logits of each object in its window, one window behind the other.
    """

    boxes: Floats
    image_boxes: Floats
    scores: Floats
    class_ids: npt.NDArray[np.int32]
    extra: Floats
    windows: npt.NDArray[np.int64]
    logits: Floats


class _Room(threading.local):
    """What one thread's frames are decoded into, before as much as there is of it is copied out."""

    block: ObjectsBlock | None = None
    arrays: tuple[npt.NDArray[Any], ...] = ()  # boxes, image boxes, scores, class ids, extra, windows
    unused: tuple[npt.NDArray[Any], ...] = ()  # that the kernel writes and nobody reads


class ObjectKernel:
    """Turns the heads of one frame after the other into objects; several threads may share it."""

    def __init__(self, layout: PlanLayout, library: ctypes.CDLL) -> None:
        """Bind a model's heads.

        Raises:
            ValueError: where the layout contradicts itself.
        """
        self._block, self._arrays = plan_block(layout)
        self._library, self._capacity = library, layout.max_objects
        heads = [head for grid in layout.grids for head in grid.heads]
        self._pointers = ctypes.c_void_p * (len(heads) + 1)
        present = [(i, head) for i, head in enumerate([*heads, layout.proto]) if head is not None]
        self._tensors = tuple((i, head.shape, head.dtype) for i, head in present)
        proto = layout.proto
        self._proto = None if proto is None else (len(heads), TYPES[proto.dtype], *proto.shape[1:])
        self._room = _Room()

    def __call__(self, tensors: Sequence[npt.NDArray[Any]], frame: FrameBlock) -> Objects:
        """Decode one frame.

        Args:
            tensors: Classes, box and extra tensor of every grid, as far as there are, and last the prototypes.
            frame: Where the image lies in the model's input.

        Raises:
            ValueError: where a tensor has another shape or dtype than the layout says, or is not contiguous.
            DeviceError: where no memory is left.
        """
        pointers = self._pointers()
        for (i, shape, dtype), array in zip(self._tensors, tensors, strict=True):
            flags = array.flags
            if array.shape != shape or array.dtype != dtype or not (flags.c_contiguous and flags.aligned):
                raise ValueError(f"tensor {i} is {array.shape} {array.dtype}, expected {shape} {dtype}, contiguous")
            pointers[i] = address(array)
        room = self._room
        out = room.block or self._make_room()
        count = self._library.edgekit_objects(self._block, pointers, frame, out)
        if count < 0:
            raise DeviceError("no memory is left to decode a frame", hint=NO_MEMORY_HINT)
        logits = np.empty(out.window_cells, np.float32)
        if count and self._proto is not None:
            index, *proto = self._proto
            arguments = (pointers[index], *proto, out.extra, out.windows, count, address(logits))
            if self._library.edgekit_mask_logits(*arguments):
                raise DeviceError("no memory is left for the masks of a frame", hint=NO_MEMORY_HINT)
        boxes, image_boxes, scores, class_ids, extra, windows = [array[:count].copy() for array in room.arrays]
        return Objects(boxes, image_boxes, scores, class_ids, extra, windows, logits)

    def _make_room(self) -> ObjectsBlock:
        n, channels = self._capacity, self._block.extra_channels
        numbers = 5 if self._block.kind == KIND_ROTATED else 4
        boxes, image_boxes = np.empty((n, numbers), np.float32), np.empty((n, 4), np.float32)
        scores, extra, class_ids = np.empty(n, np.float32), np.empty((n, channels), np.float32), np.empty(n, np.int32)
        windows, unused = np.empty((n, 4), np.int64), (np.empty(n, np.int32), np.empty(n, np.int64))
        arrays = (boxes, image_boxes, scores, extra, class_ids, *unused, windows)
        self._room.block = block = ObjectsBlock(*(address(array) for array in arrays), n, 0)
        self._room.arrays = (boxes, image_boxes, scores, class_ids, extra, windows)
        self._room.unused = unused
        return block


class WindowLogits(Sequence[Floats]):
    """Logits (h, w) float32 of every object in its own window: views of one array, made when they are asked for."""

    def __init__(self, flat: Floats, windows: npt.NDArray[np.int64]) -> None:
        """Take the logits of all windows behind each other, and the windows (n, 4) x1, y1, x2, y2."""
        self._flat, self._windows = flat, windows
        self._ends: list[int] | None = None

    def __len__(self) -> int:
        return len(self._windows)

    @overload
    def __getitem__(self, index: int) -> Floats: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Floats, ...]: ...

    def __getitem__(self, index: int | slice) -> Floats | tuple[Floats, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if self._ends is None:
            self._ends = (self._windows[:, 2:] - self._windows[:, :2]).prod(axis=1).cumsum().tolist()
        end, (x1, y1, x2, y2) = self._ends[index], self._windows[index].tolist()
        return self._flat[end - (x2 - x1) * (y2 - y1) : end].reshape(y2 - y1, x2 - x1)


def mask_logits(
    library: ctypes.CDLL, proto: npt.NDArray[Any], coefficients: Floats, windows: npt.NDArray[np.int64]
) -> WindowLogits:
    """Return coefficients . prototypes in each object's own window.

    Args:
        library: The loaded kernels.
        proto: (height, width, k) float32, int8, int16 or int32, contiguous.
        coefficients: (n, k) float32, contiguous.
        windows: (n, 4) int64 x1, y1, x2, y2 in cells, contiguous.

    Raises:
        ValueError: where the arrays do not fit together, or a window is empty or outside the prototypes.
        DeviceError: where no memory is left.
    """
    height, width, k = proto.shape
    low, high = windows[:, :2], windows[:, 2:]
    if (low < 0).any() or (low >= high).any() or (high > (width, height)).any():
        raise ValueError(f"windows reach beyond the prototypes of {width}x{height} cells, or are empty")
    if coefficients.shape != (len(windows), k) or coefficients.dtype != np.float32 or windows.dtype != np.int64:
        raise ValueError(f"coefficients are {coefficients.shape} {coefficients.dtype}, expected ({len(windows)}, {k})")
    if not all(array.flags.c_contiguous and array.flags.aligned for array in (proto, coefficients, windows)):
        raise ValueError("arrays must be contiguous")
    flat = np.empty(int((high - low).prod(axis=1).sum()), np.float32)
    arguments = (TYPES[proto.dtype], *proto.shape, address(coefficients), address(windows), len(windows))
    if library.edgekit_mask_logits(address(proto), *arguments, address(flat)):
        raise DeviceError("no memory is left for the masks of a frame", hint=NO_MEMORY_HINT)
    return WindowLogits(flat, windows)


def fill_mask(
    library: ctypes.CDLL, window: Floats, x_axis: AxisBlock, y_axis: AxisBlock, out: npt.NDArray[np.bool_]
) -> None:
    """Set the pixels of `out` to whether the logit interpolated between a window's cells is above 0.

    Args:
        library: The loaded kernels.
        window: (h, w) float32 logits, contiguous.
        x_axis: Where columns lie in the window; its `count` is w.
        y_axis: Where rows lie in the window; its `count` is h.
        out: (rows, columns) from `first` to `last` of both axes; may be a part of an image.

    Raises:
        ValueError: where sizes do not fit together.
        DeviceError: where no memory is left.
    """
    shape = (y_axis.last - y_axis.first, x_axis.last - x_axis.first)
    if out.shape != shape or min(shape) < 1 or window.shape != (y_axis.count, x_axis.count) or 0 in window.shape:
        raise ValueError(f"a window of {window.shape} cells and {out.shape} pixels, expected {shape} pixels")
    if not window.flags.c_contiguous or window.dtype != np.float32 or out.dtype != np.bool_ or out.strides[1] != 1:
        raise ValueError("arrays must be contiguous float32 and bool")
    arguments = (address(window), ctypes.byref(x_axis), ctypes.byref(y_axis), address(out), out.strides[0])
    if library.edgekit_fill_mask(*arguments):
        raise DeviceError("no memory is left for a mask", hint=NO_MEMORY_HINT)


def _declare(library: ctypes.CDLL) -> None:
    pointer, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    blocks = (ctypes.POINTER(block) for block in (PlanBlock, ctypes.c_void_p, FrameBlock, ObjectsBlock))
    library.edgekit_objects.argtypes = list(blocks)
    library.edgekit_objects.restype = i64
    library.edgekit_mask_logits.argtypes = [pointer, i32, i32, i32, i32, pointer, pointer, i64, pointer]
    library.edgekit_fill_mask.argtypes = [pointer, pointer, pointer, pointer, i64]

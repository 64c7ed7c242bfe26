"""The sliding window of convolutions and poolings: kernel, strides, padding, dilations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.reader import NodeReader

MAX_WINDOW = 1 << 12


@dataclass(frozen=True, slots=True)
class Window:
    """All pairs are (vertical, horizontal); `pads` is (top, left, bottom, right)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    ceil: bool = False

    def out_hw(self, in_hw: Sequence[int]) -> tuple[int, int]:
        """The output's height and width; below 1 where the window does not fit."""
        sizes = [self._out_size(in_hw[axis], axis) for axis in (0, 1)]
        return sizes[0], sizes[1]

    def _out_size(self, size: int, axis: int) -> int:
        room = size + self.pads[axis] + self.pads[axis + 2] - self.dilations[axis] * (self.kernel[axis] - 1) - 1
        if not self.ceil:
            return room // self.strides[axis] + 1
        steps = -(-room // self.strides[axis])
        # A window that would start in the padding behind the end does not count (as in ONNX and PyTorch).
        return steps if steps * self.strides[axis] >= size + self.pads[axis] else steps + 1

    def pad(self, x: np.ndarray, value: int) -> np.ndarray:
        """`x` NHWC with the padding around it and, for ceil, enough behind the end for the last window."""
        (top, left, bottom, right), extra = self.pads, self._overhang(x.shape[1:3])
        spans = ((0, 0), (top, bottom + extra[0]), (left, right + extra[1]), (0, 0))
        return np.pad(x, spans, constant_values=value)

    def tap(self, padded: np.ndarray, row: int, col: int, out_hw: tuple[int, int]) -> np.ndarray:
        """What the kernel's element (row, col) sees at every output position: a view (n, h, w, c)."""
        top, left = row * self.dilations[0], col * self.dilations[1]
        rows = slice(top, top + (out_hw[0] - 1) * self.strides[0] + 1, self.strides[0])
        cols = slice(left, left + (out_hw[1] - 1) * self.strides[1] + 1, self.strides[1])
        return padded[:, rows, cols]

    def _overhang(self, in_hw: Sequence[int]) -> tuple[int, int]:
        ends = []
        for axis, out in enumerate(self.out_hw(in_hw)):
            reach = (out - 1) * self.strides[axis] + self.dilations[axis] * (self.kernel[axis] - 1) + 1
            ends.append(max(0, reach - in_hw[axis] - self.pads[axis] - self.pads[axis + 2]))
        return ends[0], ends[1]


def read_window(node: NodeReader, kernel_hw: Sequence[int], in_hw: Sequence[int]) -> Window:
    """The window of a convolution whose weights have `kernel_hw`; refused where it does not fit `in_hw`."""
    if node.has("kernel_shape"):
        declared = node.integers("kernel_shape", count=2, low=1, high=MAX_WINDOW)
        node.require(
            tuple(declared) == tuple(kernel_hw),
            f"attribute kernel_shape is {declared.tolist()}",
            f"{list(kernel_hw)} as the weights have it",
        )
    fits = all(1 <= size <= MAX_WINDOW for size in kernel_hw)
    node.require(fits, f"weights with a window of {list(kernel_hw)}", f"1..{MAX_WINDOW} positions along each axis")
    return _checked(node, _read(node, (int(kernel_hw[0]), int(kernel_hw[1])), ceil=False), in_hw)


def read_pool_window(node: NodeReader, in_hw: Sequence[int]) -> Window:
    """The window of a pooling, whose kernel is an attribute."""
    kernel = node.integers("kernel_shape", count=2, low=1, high=MAX_WINDOW)
    window = _read(node, (int(kernel[0]), int(kernel[1])), ceil=node.flag("ceil_mode", 0))
    inside = all(p < k for p, k in zip(window.pads, window.kernel * 2, strict=True))
    node.require(inside, f"attribute pads is {list(window.pads)}", "padding smaller than the kernel")
    return _checked(node, window, in_hw)


def _read(node: NodeReader, kernel: tuple[int, int], *, ceil: bool) -> Window:
    strides = node.integers("strides", count=2, low=1, high=MAX_WINDOW, default=(1, 1)).tolist()
    pads = node.integers("pads", count=4, low=0, high=MAX_WINDOW, default=(0, 0, 0, 0)).tolist()
    dilations = node.integers("dilations", count=2, low=1, high=MAX_WINDOW, default=(1, 1)).tolist()
    node.choice("auto_pad", ("NOTSET",), "NOTSET")
    return Window(kernel, tuple(strides), tuple(pads), tuple(dilations), ceil)


def _checked(node: NodeReader, window: Window, in_hw: Sequence[int]) -> Window:
    node.require(
        min(window.out_hw(in_hw)) >= 1,
        f"a {window.kernel[0]}x{window.kernel[1]} window over {in_hw[0]}x{in_hw[1]}",
        "an input that it fits in",
    )
    return window

"""HzQuantizedRoiResize: bilinear resize in fixed-point steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType

FRACTION_BITS = 8


@dataclass(frozen=True, slots=True)
class Taps:
    """For every output position along one axis: the two source indices and the weight (0..255) of the second."""

    first: np.ndarray
    second: np.ndarray
    fraction: np.ndarray


@dataclass(frozen=True, slots=True)
class RoiResize:
    """Four taps with weights of 256 each way, rounded once; or, `twice`, width then height, each rounded down."""

    rows: Taps
    cols: Taps
    twice: bool
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x (n, h, w, C) resized."""
        x64 = x.astype(np.int64)
        across = _blend(
            x64[:, :, self.cols.first], x64[:, :, self.cols.second], self.cols.fraction[None, None, :, None]
        )
        if self.twice:
            across >>= FRACTION_BITS
        both = _blend(across[:, self.rows.first], across[:, self.rows.second], self.rows.fraction[None, :, None, None])
        y = both >> FRACTION_BITS if self.twice else (both + (1 << 15)) >> (2 * FRACTION_BITS)
        return (y.astype(x.dtype),)


def _blend(first: np.ndarray, second: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    blended: np.ndarray = first * ((1 << FRACTION_BITS) - fraction) + second * fraction
    return blended


def centered_taps(size_in: int, size_out: int, bits: int) -> Taps:
    """Pixel centres aligned: `step = floor(n*2^B/m)`, `init = floor((n-m)*2^B/(2m))`."""
    step = (size_in << bits) // size_out
    init = ((size_in - size_out) << bits) // (2 * size_out)
    return stepped_taps(size_in, size_out, bits, step, init)


def stepped_taps(size_in: int, size_out: int, bits: int, step: int, init: int) -> Taps:
    """Return the taps at `init + i * step` (fixed point with `bits` binary digits), clamped to the image."""
    source = np.clip(init + np.arange(size_out, dtype=np.int64) * step, 0, (size_in - 1) << bits)
    first = source >> bits
    fraction = (source & ((1 << bits) - 1)) >> (bits - FRACTION_BITS)
    return Taps(first, np.minimum(first + 1, size_in - 1), fraction)


def read_roi_resize(node: NodeReader) -> RoiResize:
    """Read HzQuantizedRoiResize; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    n, height, width, channels = x.shape
    out_h, out_w = node.integers("sizes", count=2, low=1, high=1 << 14).tolist()
    bits = node.integer("step_decimal_bit", FRACTION_BITS, 24)
    node.choice("pad_mode", ("boundary",), "boundary")
    twice = node.flag("is_interpolate_twice", 0)
    align = node.choice("align_mode", ("center", "origin", "given_step"), "center")
    if align == "center":
        rows, cols = centered_taps(height, out_h, bits), centered_taps(width, out_w, bits)
    else:
        steps = [(height << bits) // out_h, (width << bits) // out_w]
        if align == "given_step":
            steps = node.integers("step", count=2, low=0, high=(1 << 31) - 1).tolist()
        rows = stepped_taps(height, out_h, bits, steps[0], 0)
        cols = stepped_taps(width, out_w, bits, steps[1], 0)
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    return RoiResize(rows, cols, twice, (TensorType((n, out_h, out_w, channels), x.dtype),))

"""HzLut2Layer: a piecewise table over int16, straight lines at both ends and six interpolated rows between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import round_shift, sat, wrap32
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import INT_DTYPES, TensorType, int_type

SEGMENTS = 8
ROWS, ENTRIES = 6, 64
SYMMETRIES = ("NONE", "ORIGIN_SYMMETRIC", "Y_SYMMETRIC")


@dataclass(frozen=True, slots=True)
class Lut2Layer:
    """Segment = bounds strictly below x; `pos = round_shift(x*scale + (bias << left_shift), right_shift)`."""

    bound: np.ndarray  # (7,) int64, ascending
    scale: np.ndarray  # (8,) int64, as the next three
    bias: np.ndarray
    left_shift: np.ndarray
    right_shift: np.ndarray
    table: np.ndarray  # (6, 64) int64
    symmetry: str
    bits: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the interpolated entries for x int16."""
        x64 = x.astype(np.int64)
        if self.symmetry == "NONE":
            y = self._evaluate(x64)
        else:
            y = self._evaluate(np.abs(x64))
            if self.symmetry == "ORIGIN_SYMMETRIC":
                y = np.where(x64 < 0, -y, y)
        return (sat(y, self.bits).astype(INT_DTYPES[self.bits]),)

    def _evaluate(self, x: np.ndarray) -> np.ndarray:
        """Straight lines saturate here; table values only after a symmetric one was negated."""
        segment = np.searchsorted(self.bound, x, side="left")  # how many bounds lie strictly below x
        offset = self.bias[segment] << self.left_shift[segment]
        pos = round_shift(wrap32(x * self.scale[segment] + offset), self.right_shift[segment])
        straight = (segment == 0) | (segment == SEGMENTS - 1)
        row = np.clip(segment - 1, 0, ROWS - 1)
        p = np.clip(pos, 0, (ENTRIES - 1) * 256)
        index, fraction = p >> 8, p & 255
        low = self.table[row, index]
        high = self.table[row, np.minimum(index + 1, ENTRIES - 1)]
        between = low + (((high - low) * fraction + 128) >> 8)
        return np.where(straight, sat(pos, self.bits), between)


def read_lut2layer(node: NodeReader) -> Lut2Layer:
    """Read HzLut2Layer; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ("int16",))
    bits = node.bits("output_bit", default=16)
    int16 = {"low": -(1 << 15), "high": (1 << 15) - 1}
    bound = node.integers("bound", count=SEGMENTS, **int16)[: SEGMENTS - 1]
    node.require(bool(np.all(np.diff(bound) >= 0)), f"attribute bound is {bound.tolist()}", "ascending bounds")
    scale = node.per_channel("scale", SEGMENTS)
    bias = node.per_channel("bias", SEGMENTS)
    left_shift, right_shift = node.shifts("left_shift", SEGMENTS), node.shifts("right_shift", SEGMENTS)
    table = node.integers("table_param", count=ROWS * ENTRIES, **int16).reshape(ROWS, ENTRIES)
    symmetry = node.choice("symmetry_mode", SYMMETRIES, "NONE")
    node.choice("rounding_method", ("ROUND",), "ROUND")
    node.ignore("lut_type")
    node.nhwc()
    return Lut2Layer(bound, scale, bias, left_shift, right_shift, table, symmetry, bits, (int_type(x.shape, bits),))

"""The end of element-wise operators, reductions and products: saturate to 16 bits, scale, shift, saturate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import round_shift, sat, wrap32
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import INT_DTYPES

DOWN = ("NONE", "FLOOR")


@dataclass(frozen=True, slots=True)
class Rescale:
    """`v = sat16(acc >> right_shift)`, `y = sat_bits(v * scale >> out_shift)`, rounded to nearest or down.

    `rounding_bias` (bernoulli2) joins the accumulator before, in place of rounding at the end. `v` is rounded
    down but for the global average pool (`nearest_twice`).
    """

    right_shift: np.ndarray  # (C,) or (1,) int64, as the next three
    scale: np.ndarray
    out_shift: np.ndarray
    rounding_bias: np.ndarray
    to_nearest: bool
    bits: int
    nearest_twice: bool = False

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """Return int8 or int16 of an accumulator (..., C) int64."""
        total = wrap32(acc + self.rounding_bias)
        shifted = round_shift(total, self.right_shift) if self.nearest_twice else total >> self.right_shift
        v = sat(shifted, 16) * self.scale
        y = round_shift(v, self.out_shift) if self.to_nearest else v >> self.out_shift
        return sat(y, self.bits).astype(INT_DTYPES[self.bits])


def read_rescale(node: NodeReader, channels: int, names: tuple[str, str, str], *, nearest: bool) -> Rescale:
    """Read the attributes `names` (right shift, scale, output shift); `nearest` where the node does not say.

    A list of one entry stands for all channels.
    """
    right_shift = node.shifts(names[0], channels)
    scale = node.per_channel(names[1], channels)
    out_shift = node.shifts(names[2], channels)
    default = "ROUND" if nearest else "NONE"
    to_nearest = node.choice("rounding_method", ("ROUND", *DOWN), default) not in DOWN
    bias = np.zeros(channels, np.int64)
    if node.flag("add_rounding_bias", 0):
        node.require(bool(np.all(scale != 0)), f"attribute {names[1]} is 0 beside add_rounding_bias", "another scale")
        bias = np.rint(np.exp2(out_shift - 1.0 + right_shift) / scale).astype(np.int64)
        to_nearest = False
    return Rescale(right_shift, scale, out_shift, bias, to_nearest, node.bits("output_bit", default=8))


def first_entry(rescale: Rescale) -> Rescale:
    """Only the first entry of every list, which is what the vendor's reductions use for all channels."""
    lists = (rescale.right_shift, rescale.scale, rescale.out_shift, rescale.rounding_bias)
    first = [entries[:1] for entries in lists]
    return Rescale(first[0], first[1], first[2], first[3], rescale.to_nearest, rescale.bits, rescale.nearest_twice)

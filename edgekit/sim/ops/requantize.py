"""HzRequantize: brings a tensor to another scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import round_shift, sat
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import INT_DTYPES, TensorType, int_type


@dataclass(frozen=True, slots=True)
class Requantize:
    """`y = sat_bits(round_shift(x * scale[c], right_shift[c]))` along `axis`."""

    scale: np.ndarray  # (C,) int64
    right_shift: np.ndarray  # (C,) int64
    axis: int
    bits: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x on another scale."""
        shape = [-1 if axis == self.axis else 1 for axis in range(x.ndim)]
        product = x.astype(np.int64) * self.scale.reshape(shape)
        y = sat(round_shift(product, self.right_shift.reshape(shape)), self.bits)
        return (y.astype(INT_DTYPES[self.bits]),)


def read_requantize(node: NodeReader) -> Requantize:
    """Read HzRequantize; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, ("int8", "int16", "int32"))
    rank = len(x.shape)
    axis = node.integer("axis", -rank, rank - 1, rank - 1) % rank
    node.choice("method", ("Rescale",), "Rescale")
    bits = node.bits("bits")
    scale = node.per_channel("output_scale", x.shape[axis])
    right_shift = node.shifts("output_right_shift", x.shape[axis])
    node.nhwc()
    return Requantize(scale, right_shift, axis, bits, (int_type(x.shape, bits),))

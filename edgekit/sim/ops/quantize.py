"""HzQuantize: from floats to integers, rounding halves to even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import quantize
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import INT_DTYPES, TensorType, int_type


@dataclass(frozen=True, slots=True)
class Quantize:
    """`sat_bits(rint(x / scale))` in float32; NaN and infinities give the minimum."""

    scale: np.ndarray  # broadcasts to x, float32
    bits: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x float32 as integers."""
        return (quantize(x, self.scale, self.bits).astype(INT_DTYPES[self.bits]),)


def read_quantize(node: NodeReader) -> Quantize:
    """Read HzQuantize; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x = node.operand(0, ("float32",))
    bits = node.bits("bits", default=8)
    rank = len(x.shape)
    axis = node.integer("axis", -rank, max(rank - 1, 1), 1)
    scale: np.ndarray = node.constant(1, ("float32",)).reshape(-1)
    good = bool(np.all(np.isfinite(scale)) and np.all(scale > 0))
    node.require(good, "a scale that is no positive number", "positive finite scales")
    if scale.size != 1:
        node.require(axis < rank and scale.size == x.shape[axis], f"{scale.size} scales", "1 or one per channel")
        scale = scale.reshape([-1 if i == axis % rank else 1 for i in range(rank)])
    return Quantize(scale, bits, (int_type(x.shape, bits),))

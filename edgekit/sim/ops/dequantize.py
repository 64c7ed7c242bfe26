"""HzDequantize: from integers to the float model's values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import dequantize
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType

DEFAULT_AXIS = 1  # where the attribute is absent


@dataclass(frozen=True, slots=True)
class Dequantize:
    """`float32(x) * scale` in float32, per channel along `axis`."""

    scale: np.ndarray  # (1,) or (C,) float32
    axis: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x as float32."""
        return (dequantize(x, self.scale, self.axis),)


def read_dequantize(node: NodeReader) -> Dequantize:
    """Read HzDequantize; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x = node.operand(0, ("int8", "int16", "int32"))
    rank = len(x.shape)
    axis = node.integer("axis", -rank, max(rank - 1, DEFAULT_AXIS), DEFAULT_AXIS)
    scale = node.constant(1, ("float32",)).reshape(-1)
    if scale.size != 1:
        node.require(axis < rank, f"attribute axis is {axis}", f"below {rank}")
        node.require(
            scale.size == x.shape[axis], f"{scale.size} scales", f"1 or {x.shape[axis]}, one per channel on axis {axis}"
        )
    good = bool(np.all(np.isfinite(scale)) and np.all(scale > 0))
    node.require(good, "a scale that is no positive number", "positive finite scales")
    return Dequantize(scale, axis % rank if rank else 0, (TensorType(x.shape, np.dtype(np.float32)),))

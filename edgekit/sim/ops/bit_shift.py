"""HzQuantizedBitShift: integers shifted right, rounding down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class BitShift:
    """`y = x >> shift`."""

    shift: np.ndarray  # (C,) int64
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x shifted."""
        return ((x.astype(np.int64) >> self.shift).astype(self.outputs[0].dtype),)


def read_bit_shift(node: NodeReader) -> BitShift:
    """Read HzQuantizedBitShift; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0)
    node.choice("direction", ("RIGHT",))
    shift = node.shifts("shift", x.channels)
    bits = node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    return BitShift(shift, (int_type(x.shape, bits),))

"""HzQuantizedAveragePool: the mean under a window, in the input's scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import sat
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import Window, read_pool_window
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class AveragePool:
    """`y = sum * floor(2^fraction_bits / taps) >> fraction_bits`, rounded down; padding counts as 0 and as a tap.

    The attribute that holds the number of fraction bits is called `scale`.
    """

    window: Window
    fraction_bits: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the averaged windows of x (n, h, w, C)."""
        out_hw = self.window.out_hw(x.shape[1:3])
        padded = self.window.pad(x, 0).astype(np.int64)
        total = np.zeros(self.outputs[0].shape, np.int64)
        for row, col in np.ndindex(*self.window.kernel):
            total += self.window.tap(padded, row, col, out_hw)
        reciprocal = (1 << self.fraction_bits) // (self.window.kernel[0] * self.window.kernel[1])
        return (sat((total * reciprocal) >> self.fraction_bits, x.dtype.itemsize * 8).astype(x.dtype),)


def read_average_pool(node: NodeReader) -> AveragePool:
    """Read HzQuantizedAveragePool; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    window = read_pool_window(node, x.shape[1:3])
    fraction_bits = node.integer("scale", 1, 24)
    node.flag("count_include_pad", 1)
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    shape = (x.shape[0], *window.out_hw(x.shape[1:3]), x.channels)
    return AveragePool(window, fraction_bits, (TensorType(shape, x.dtype),))

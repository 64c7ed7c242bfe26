"""HzQuantizedAveragePool: the mean under a window, in the input's scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import Window, read_pool_window
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class AveragePool:
    """`y = sum / divisor`; padding counts as 0 and in the divisor."""

    window: Window
    divisor: int
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        out_hw = self.window.out_hw(x.shape[1:3])
        padded = self.window.pad(x, 0).astype(np.int64)
        total = sum(self.window.tap(padded, row, col, out_hw) for row, col in np.ndindex(*self.window.kernel))
        return (np.rint(total / self.divisor).astype(x.dtype),)


def read_average_pool(node: NodeReader) -> AveragePool:
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    window = read_pool_window(node, x.shape[1:3])
    divisor = node.integer("scale", 1, 1 << 24)
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    shape = (x.shape[0], *window.out_hw(x.shape[1:3]), x.channels)
    return AveragePool(window, divisor, (TensorType(shape, x.dtype),))

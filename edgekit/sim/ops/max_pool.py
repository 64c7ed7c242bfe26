"""HzQuantizedMaxPool: the largest value under the window; padding never wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import Window, read_pool_window
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The maximum of every window; padding never wins."""

    window: Window
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the maximum of every window of x (n, h, w, C)."""
        out_hw = self.window.out_hw(x.shape[1:3])
        padded = self.window.pad(x, np.iinfo(x.dtype).min)
        best = self.window.tap(padded, 0, 0, out_hw).copy()
        for row, col in np.ndindex(*self.window.kernel):
            np.maximum(best, self.window.tap(padded, row, col, out_hw), out=best)
        return (best,)


def read_max_pool(node: NodeReader) -> MaxPool:
    """Read HzQuantizedMaxPool; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    window = read_pool_window(node, x.shape[1:3])
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    shape = (x.shape[0], *window.out_hw(x.shape[1:3]), x.channels)
    return MaxPool(window, (TensorType(shape, x.dtype),))

"""HzQuantizedResizeUpsample: every pixel repeated a whole number of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class Upsample:
    """Every pixel repeated along height and width."""

    factor_hw: tuple[int, int]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x (n, h, w, C) repeated."""
        return (x.repeat(self.factor_hw[0], axis=1).repeat(self.factor_hw[1], axis=2),)


def read_upsample(node: NodeReader) -> Upsample:
    """Read HzQuantizedResizeUpsample; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    node.choice("mode", ("nearest",))
    rows, cols = node.integers("scale", count=2, low=1, high=64).tolist()
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    n, height, width, channels = x.shape
    return Upsample((rows, cols), (TensorType((n, height * rows, width * cols, channels), x.dtype),))

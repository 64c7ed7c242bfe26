"""HzSPRelu (bayes), HzPRelu and HzLeakyRelu (bernoulli2): a line of its own slope below zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import round_shift, sat
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class SPRelu:
    """x >= 0: `round_shift(x * positive_scale, shift)`; below: the product with the slope, cut to 16 bits first."""

    slope: np.ndarray  # broadcasts to x, int64
    positive: tuple[int, int]  # (scale, right shift)
    accu_right_shift: int
    negative: tuple[int, int]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x with its own slope below zero."""
        x64 = x.astype(np.int64)
        above = round_shift(x64 * self.positive[0], self.positive[1])
        v = sat((x64 * self.slope) >> self.accu_right_shift, 16)
        below = round_shift(v * self.negative[0], self.negative[1])
        return (sat(np.where(x64 >= 0, above, below), x.dtype.itemsize * 8).astype(x.dtype),)


@dataclass(frozen=True, slots=True)
class PRelu:
    """x >= 0: x; below: `round_shift(x * alpha_scale, alpha_shift)`."""

    alpha_scale: np.ndarray  # (C,) int64
    alpha_shift: np.ndarray
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return x with its own slope below zero."""
        x64 = x.astype(np.int64)
        below = round_shift(x64 * self.alpha_scale, self.alpha_shift)
        return (sat(np.where(x64 >= 0, x64, below), x.dtype.itemsize * 8).astype(x.dtype),)


def read_sprelu(node: NodeReader) -> SPRelu:
    """Read HzSPRelu; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x = node.operand(0)
    slope = node.constant(1, ("int8", "int16")).astype(np.int64)
    fits = slope.ndim <= len(x.shape) and slope.shape == (*(1,) * (slope.ndim - 1), slope.size)
    fits = fits and slope.size in (1, x.channels)
    node.require(fits, f"slopes of shape {list(slope.shape)}", f"1 or {x.channels} on the last axis")
    positive = (node.scale("positive_scale"), node.shift("positive_right_shift"))
    negative = (node.scale("negative_scale"), node.shift("negative_right_shift"))
    accu_right_shift = node.shift("accu_right_shift")
    node.bits("output_bit", (x.bits,), x.bits)
    node.choice("rounding_method", ("ROUND",), "ROUND")
    node.nhwc()
    return SPRelu(slope, positive, accu_right_shift, negative, (x,))


def read_prelu(node: NodeReader) -> PRelu:
    """Read HzPRelu or HzLeakyRelu; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0)
    alpha_scale = node.per_channel("alpha_scale", x.channels)
    alpha_shift = node.shifts("alpha_shift", x.channels)
    node.nhwc()
    return PRelu(alpha_scale, alpha_shift, (x,))

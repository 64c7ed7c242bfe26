"""HzSElementwiseAdd: the sum of two tensors of different scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import wrap32
from edgekit.sim.ops.broadcast import broadcast_shape
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.rescale import Rescale, read_rescale
from edgekit.sim.tensor import TensorType, int_type

NAMES = ("accu_right_shift", "output_scale", "output_right_shift")


@dataclass(frozen=True, slots=True)
class ElementwiseAdd:
    """`acc = wrap32((x << x_shift) + ((e * e_scale) << e_shift))`, then rescaled."""

    x_shift: np.ndarray  # (C,) int64, as the next two
    e_scale: np.ndarray
    e_shift: np.ndarray
    rescale: Rescale
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray, e: np.ndarray) -> Arrays:
        """Return the scaled sum of x and e."""
        joined = wrap32(e.astype(np.int64) * self.e_scale) << self.e_shift
        acc = wrap32((x.astype(np.int64) << self.x_shift) + joined)
        return (self.rescale.apply(acc),)


def read_elementwise_add(node: NodeReader) -> ElementwiseAdd:
    """Read HzSElementwiseAdd; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    shape = broadcast_shape(node, node.operand(0), node.operand(1))
    channels = shape[-1]
    x_shift = node.shifts("x_shift", channels)
    e_scale = node.per_channel("e_scale", channels)
    e_shift = node.shifts("e_shift", channels, default=0)
    rescale = read_rescale(node, channels, NAMES, nearest=False)
    node.nhwc()
    return ElementwiseAdd(x_shift, e_scale, e_shift, rescale, (int_type(shape, rescale.bits),))

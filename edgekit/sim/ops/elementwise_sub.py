"""HzSElementwiseSub: the difference of two tensors of different scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import wrap32
from edgekit.sim.ops.broadcast import broadcast_shape
from edgekit.sim.ops.elementwise_add import NAMES
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.rescale import Rescale, read_rescale
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class ElementwiseSub:
    """`acc = wrap32((x << x_shift) - e * e_scale)`, then rescaled."""

    x_shift: np.ndarray  # (C,) int64, as the next
    e_scale: np.ndarray
    rescale: Rescale
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray, e: np.ndarray) -> Arrays:
        """Return the scaled difference of x and e."""
        acc = wrap32((x.astype(np.int64) << self.x_shift) - e.astype(np.int64) * self.e_scale)
        return (self.rescale.apply(acc),)


def read_elementwise_sub(node: NodeReader) -> ElementwiseSub:
    """Read HzSElementwiseSub; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    shape = broadcast_shape(node, node.operand(0), node.operand(1))
    x_shift = node.shifts("x_shift", shape[-1])
    e_scale = node.per_channel("e_scale", shape[-1])
    rescale = read_rescale(node, shape[-1], NAMES, nearest=False)
    node.nhwc()
    return ElementwiseSub(x_shift, e_scale, rescale, (int_type(shape, rescale.bits),))

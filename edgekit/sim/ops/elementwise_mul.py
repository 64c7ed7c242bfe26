"""HzSElementwiseMul: the product of two tensors."""

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
class ElementwiseMul:
    """`acc = x * e`, then rescaled."""

    rescale: Rescale
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray, e: np.ndarray) -> Arrays:
        """Return the scaled product of x and e."""
        return (self.rescale.apply(wrap32(x.astype(np.int64) * e)),)


def read_elementwise_mul(node: NodeReader) -> ElementwiseMul:
    """Read HzSElementwiseMul; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    shape = broadcast_shape(node, node.operand(0), node.operand(1))
    rescale = read_rescale(node, shape[-1], NAMES, nearest=False)
    node.nhwc()
    return ElementwiseMul(rescale, (int_type(shape, rescale.bits),))

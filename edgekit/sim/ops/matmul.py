"""HzSQuantizedMatmul: the product of two stacks of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import wrap32
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.rescale import Rescale, read_rescale
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class Matmul:
    """`acc = wrap32(sum x*e)`, then rescaled; one scale for all elements."""

    rescale: Rescale
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray, e: np.ndarray) -> Arrays:
        """Return the product of x (..., n, k) and e (..., k, m)."""
        acc = np.matmul(x.astype(np.float64), e.astype(np.float64))  # exact: products of 2^30, far below 2^53
        return (self.rescale.apply(wrap32(acc.astype(np.int64))),)


def read_matmul(node: NodeReader) -> Matmul:
    """Read HzSQuantizedMatmul; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x, e = node.operand(0), node.operand(1)
    fits = len(x.shape) >= 2 and len(e.shape) >= 2 and x.shape[-1] == e.shape[-2]
    node.require(fits, f"operands of shapes {list(x.shape)} and {list(e.shape)}", "matrices that fit each other")
    try:
        stack = np.broadcast_shapes(x.shape[:-2], e.shape[:-2])
    except ValueError:
        raise node.error(f"stacks of {x.shape[:-2]} and {e.shape[:-2]}", "shapes that fit each other") from None
    rescale = read_rescale(node, 1, ("right_shift", "scale", "out_shift"), nearest=True)
    node.nhwc()
    return Matmul(rescale, (int_type((*stack, x.shape[-2], e.shape[-1]), rescale.bits),))

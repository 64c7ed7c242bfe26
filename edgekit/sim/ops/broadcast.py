"""The common shape of two operands."""

from __future__ import annotations

import numpy as np

from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType


def broadcast_shape(node: NodeReader, *operands: TensorType) -> tuple[int, ...]:
    """Return the common shape of the operands by numpy's rules; the node is refused if there is none."""
    try:
        return np.broadcast_shapes(*(operand.shape for operand in operands))
    except ValueError:
        shapes = " and ".join(str(list(operand.shape)) for operand in operands)
        raise node.error(f"operands of shapes {shapes}", "shapes that fit each other") from None

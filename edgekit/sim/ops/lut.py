"""HzLut: a table of 256 entries, the activation functions of int8 tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class Lut:
    """`y = table[x + 128]`."""

    table: np.ndarray  # (256,) int8
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the table's entries for x."""
        return (self.table[x.astype(np.int16) + 128],)


def read_lut(node: NodeReader) -> Lut:
    """Read HzLut; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2)
    x = node.operand(0, ("int8",))
    table = node.constant(1, ("int8",), (256,))
    node.ignore("lut_type")  # the name of the function: the table says it all
    node.nhwc()
    return Lut(table, (int_type(x.shape, 8),))

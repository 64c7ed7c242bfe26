"""HzQuantizedReduceMax, HzQuantizedGlobalMaxPool and Max: the largest along axes, or of several tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from edgekit.sim.ops.broadcast import broadcast_shape
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.reduce import SPATIAL, read_axis, reduced_shape
from edgekit.sim.tensor import TensorType


@dataclass(frozen=True, slots=True)
class ReduceMax:
    """The largest along `axes`, which stay with size 1."""

    axes: tuple[int, ...]
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the largest of x along the axes."""
        return (x.max(axis=self.axes, keepdims=True),)


@dataclass(frozen=True, slots=True)
class Max:
    """The largest of all operands, element by element."""

    outputs: tuple[TensorType, ...]

    def run(self, *operands: np.ndarray) -> Arrays:
        """Return the largest of all operands."""
        return (reduce(np.maximum, operands),)


def read_reduce_max(node: NodeReader) -> ReduceMax:
    """Read HzQuantizedReduceMax; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0)
    axis = read_axis(node, len(x.shape))
    node.bits("output_bit", (x.bits,), x.bits)
    node.flag("keepdims", 1)
    node.nhwc()
    return ReduceMax((axis,), (TensorType(reduced_shape(x.shape, axis), x.dtype),))


def read_global_max_pool(node: NodeReader) -> ReduceMax:
    """Read HzQuantizedGlobalMaxPool; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    node.bits("output_bit", (x.bits,), x.bits)
    node.nhwc()
    return ReduceMax(SPATIAL, (TensorType((x.shape[0], 1, 1, x.channels), x.dtype),))


def read_max(node: NodeReader) -> Max:
    """Read Max; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1, 1 << 10)
    operands = [node.operand(i, ("int8", "int16", "int32", "float32")) for i in range(len(node.inputs))]
    dtypes = {operand.dtype for operand in operands}
    node.require(len(dtypes) == 1, f"operands of {len(dtypes)} dtypes", "one dtype")
    return Max((TensorType(broadcast_shape(node, *operands), operands[0].dtype),))

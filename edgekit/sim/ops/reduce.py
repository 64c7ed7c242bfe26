"""HzSQuantizedGlobalAveragePool, HzSQuantizedReduceMean, HzSQuantizedReduceSum: sums along axes, rescaled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgekit.ops.quant import wrap32
from edgekit.sim.ops.elementwise_add import NAMES
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.rescale import Rescale, first_entry, read_rescale
from edgekit.sim.tensor import TensorType, int_type

SPATIAL = (1, 2)


@dataclass(frozen=True, slots=True)
class Reduce:
    """`acc = wrap32(sum of x along axes)`, then rescaled; a mean has its divisor in the scale."""

    axes: tuple[int, ...]
    rescale: Rescale
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the rescaled sum of x along the axes."""
        return (self.rescale.apply(wrap32(x.sum(axis=self.axes, keepdims=True, dtype=np.int64))),)


def read_global_average_pool(node: NodeReader) -> Reduce:
    """Read HzSQuantizedGlobalAveragePool; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0, rank=4)
    rescale = read_rescale(node, x.channels, NAMES, nearest=True)
    rescale = replace(rescale, nearest_twice=rescale.to_nearest)
    node.nhwc()
    return Reduce(SPATIAL, rescale, (int_type((x.shape[0], 1, 1, x.channels), rescale.bits),))


def read_reduce(node: NodeReader) -> Reduce:
    """Read HzSQuantizedReduceMean or HzSQuantizedReduceSum; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(1)
    x = node.operand(0)
    axis = read_axis(node, len(x.shape))
    names = ("accu_right_shift", "scale", "out_shift")
    rescale = first_entry(read_rescale(node, x.channels, names, nearest=True))
    node.flag("keepdims", 1)
    node.nhwc()
    return Reduce((axis,), rescale, (int_type(reduced_shape(x.shape, axis), rescale.bits),))


def read_axis(node: NodeReader, rank: int) -> int:
    """Return the attribute `axis`, counted from 0."""
    return node.integer("axis", -rank, rank - 1) % rank


def reduced_shape(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return `shape` with size 1 at `axis`."""
    return tuple(1 if i == axis else size for i, size in enumerate(shape))

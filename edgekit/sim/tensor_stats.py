"""A look inside a run: how much of its range every tensor uses, how much saturates, what every node costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.fast.executor import FastExecutor
from edgekit.sim.graph import Graph
from edgekit.sim.node import Node
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.tensor_scales import tensor_scales

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class TensorStats:
    """An integer tensor over all frames: extremes, share of its dtype's range used, share of saturated elements.

    `scale`: what one step stands for in the float model (edgekit.sim.tensor_scales); None where it is not known or
    differs by channel.
    """

    name: str
    op_type: str
    dtype: str
    low: int
    high: int
    range_used: float
    saturated: float
    scale: float | None


@dataclass(frozen=True, slots=True)
class OpTime:
    """What all nodes of one operator cost per frame (the fastest of all frames)."""

    op_type: str
    nodes: int
    milliseconds: float


def tensor_stats(graph: Graph, frames: Iterable[Tensors]) -> tuple[TensorStats, ...]:
    """Statistics of every 8- and 16-bit tensor that a node writes, in the order of the nodes."""
    executor = make_executor(graph)
    names = [t for node in graph.nodes for t in node.outputs if graph.types[t].dtype in (np.int8, np.int16)]
    extremes: dict[str, list[int]] = {}
    for frame in frames:
        tensors = executor.run(frame, names)
        for name in names:
            _count(extremes, name, tensors[name])
    scales = tensor_scales(graph)
    return tuple(_stats(graph, name, row, scales.get(name)) for name, row in extremes.items())


def reference_profile(graph: Graph, frames: Sequence[Tensors]) -> tuple[OpTime, ...]:
    """The cost of every operator in the reference execution, most expensive first."""
    best: dict[str, float] = {}

    def hook(node: Node, call: Callable[[], Arrays]) -> Arrays:
        started = time.perf_counter()
        result = call()
        best[node.name] = min(best.get(node.name, float("inf")), time.perf_counter() - started)
        return result

    for frame in frames:
        ReferenceExecutor(graph).run(frame, hook=hook)
    return _by_op({node.name: (node.op_type, best[node.name]) for node in graph.nodes if node.name in best})


def fast_profile(graph: Graph, frames: Sequence[Tensors]) -> tuple[OpTime, ...]:
    """The same for the fast execution; a fused node's cost is that of the convolution that took it along."""
    executor = make_executor(graph)
    if not isinstance(executor, FastExecutor):
        return reference_profile(graph, frames)
    types = {node.name: node.op_type for node in graph.nodes}
    best: dict[int, float] = {}
    names: dict[int, str] = {}
    for frame in frames:
        for index, (name, seconds) in enumerate(executor.timed(frame)):
            best[index] = min(best.get(index, float("inf")), seconds)
            names[index] = name
    return _by_op({str(index): (types[names[index]], seconds) for index, seconds in best.items()})


def _by_op(costs: Mapping[str, tuple[str, float]]) -> tuple[OpTime, ...]:
    totals: dict[str, list[float]] = {}
    for op_type, seconds in costs.values():
        row = totals.setdefault(op_type, [0, 0.0])
        row[0] += 1
        row[1] += seconds * 1e3
    rows = [OpTime(op, int(count), cost) for op, (count, cost) in totals.items()]
    return tuple(sorted(rows, key=lambda row: (-row.milliseconds, row.op_type)))


def _count(extremes: dict[str, list[int]], name: str, values: np.ndarray) -> None:
    limits = np.iinfo(values.dtype)
    row = extremes.setdefault(name, [limits.max, limits.min, 0, 0])
    row[0], row[1] = min(row[0], int(values.min())), max(row[1], int(values.max()))
    row[2] += int(np.count_nonzero((values == limits.min) | (values == limits.max)))
    row[3] += values.size


def _stats(graph: Graph, name: str, row: Sequence[int], scale: np.ndarray | None) -> TensorStats:
    dtype = graph.types[name].dtype
    low, high, saturated, total = row
    used = (high - low) / (2 ** (dtype.itemsize * 8) - 1)
    common_scale = float(scale[0]) if scale is not None and scale.size == 1 else None
    return TensorStats(
        name, graph.producers[name].op_type, dtype.name, low, high, used, saturated / total, common_scale
    )

"""From a graph to the steps of a frame: what is fused, what a kernel computes, and where tensors lie."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.sim.fast.arena import Lifetime, arrange
from edgekit.sim.fast.bounds import check_bounds
from edgekit.sim.fast.kernel_call import Call, ReferenceCall
from edgekit.sim.fast.kernel_set import KernelSet
from edgekit.sim.fast.lowering import CHANNELS, SMALL, FusedNode, Lowering, can_fuse, can_fuse_into, lower
from edgekit.sim.fast.tensor_view import TensorView, contiguous
from edgekit.sim.graph import Graph, needed_nodes
from edgekit.sim.node import Node
from edgekit.sim.ops.layout import Concat, Slice, Split


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """The steps of one frame; `offsets` place shared buffers in the arena, `owned` are arrays of their own."""

    calls: tuple[Call, ...]
    views: Mapping[str, TensorView]
    offsets: Mapping[str, int]
    owned: Mapping[str, TensorView]
    arena_bytes: int


def make_plan(graph: Graph, keep: Collection[str], kernels: KernelSet) -> ExecutionPlan:
    """A plan that gives all outputs of `graph` and the tensors `keep`; those are never fused away."""
    planner = _Planner(graph, keep, kernels)
    planner.fuse()
    planner.lower_nodes()
    planner.assign_concat_slots()
    planner.emit_calls()
    return planner.finished()


class _Planner:
    """Collects the plan; the methods run once each, in the order of make_plan."""

    def __init__(self, graph: Graph, keep: Collection[str], kernels: KernelSet) -> None:
        self.graph, self.kernels = graph, kernels
        self.requested = {*keep, *(output.tensor for output in graph.outputs.values())}
        self.nodes = needed_nodes(graph, self.requested)
        self.consumers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.operands):
                self.consumers.setdefault(name, []).append(node)
        # Keyed by the node itself (its id), never by what a file calls it.
        self.chains: dict[int, tuple[Node, ...]] = {}  # convolution -> nodes its kernel takes along
        self.lowerings: dict[int, Lowering] = {}  # node -> how kernels compute it
        self.concat_slots: dict[str, tuple[str, int]] = {}  # tensor -> (result of the Concat it lies in, first channel)
        self.views: dict[str, TensorView] = {}
        self.calls: list[Call] = []

    def fuse(self) -> None:
        for node in self.nodes:
            if can_fuse_into(node) and not any(name in self.graph.constants for name in node.operands):
                self.chains[id(node)] = self._chain(node)
        taken = {id(follower) for chain in self.chains.values() for follower in chain}
        self.nodes = tuple(node for node in self.nodes if id(node) not in taken)

    def _chain(self, node: Node) -> tuple[Node, ...]:
        chain: list[Node] = []
        last = node
        while True:
            tensor, kind = last.outputs[0], last.operator.outputs[0]
            consumers = self.consumers.get(tensor, [])
            if len(consumers) != 1 or tensor in self.requested or not can_fuse(consumers[0], kind.dtype, bool(chain)):
                return tuple(chain)
            last = consumers[0]
            chain.append(last)

    def lower_nodes(self) -> None:
        for node in self.nodes:
            if any(name in self.graph.constants for name in node.operands):
                continue
            operands = tuple(self.graph.types[name] for name in node.operands)
            fused = FusedNode(node, self.chains.get(id(node), ()), operands, self.kernels)
            lowering = lower(fused)
            if lowering is not None:
                self.lowerings[id(node)] = lowering

    def assign_concat_slots(self) -> None:
        """Kernels write the operands of a Concat straight into its result, so that nothing is copied."""
        producers = {self._result(node): node for node in self.nodes}
        for node in self.nodes:
            if not self._joins_channels(node):
                continue
            channel = 0
            for name in node.operands:
                by_kernel = name in producers and (
                    id(producers[name]) in self.lowerings or self._joins_channels(producers[name])
                )
                if by_kernel and name not in self.requested and name not in self.concat_slots:
                    self.concat_slots[name] = (node.outputs[0], channel)
                channel += self.graph.types[name].channels

    def _result(self, node: Node) -> str:
        chain = self.chains.get(id(node), ())
        return (chain[-1] if chain else node).outputs[0]

    def _joins_channels(self, node: Node) -> bool:
        operator, out = node.operator, node.operator.outputs[0]
        computed = all(name in self.graph.types for name in node.operands)
        return isinstance(operator, Concat) and operator.axis == CHANNELS and len(out.shape) == 4 and computed

    def emit_calls(self) -> None:
        for name, kind in self.graph.inputs.items():
            self.views[name] = contiguous(name, kind.shape, kind.dtype)
        for node in self.nodes:
            if id(node) in self.lowerings:
                sources = [self.views[name] for name in node.operands]
                self.calls += self.lowerings[id(node)](sources, self._view(self._result(node)))
            elif self._joins_channels(node):
                self._emit_concat(node)
            elif not self._as_view(node):
                self._emit_reference(node)

    def _view(self, name: str) -> TensorView:
        """Where `name` lies: inside the Concat that it belongs to, else in a buffer of its own."""
        if name not in self.views:
            kind = self.graph.types[name]
            if name in self.concat_slots:
                outer, channel = self.concat_slots[name]
                self.views[name] = self._view(outer).channels(channel, kind.channels)
            else:
                self.views[name] = contiguous(name, kind.shape, kind.dtype)
        return self.views[name]

    def _emit_concat(self, node: Node) -> None:
        """A Concat copies only what does not lie in its result already."""
        target, channel = self._view(node.outputs[0]), 0
        for name in node.operands:
            source = self.views[name]
            part = target.channels(channel, source.shape[CHANNELS])
            if self.concat_slots.get(name) != (node.outputs[0], channel):
                self.calls.append(self.kernels.copy(node.name, source, part))
            channel += source.shape[CHANNELS]

    def _as_view(self, node: Node) -> bool:
        """A part of the channels is the same memory, read with other strides."""
        spans = _channel_spans(node)
        if (
            spans is None
            or any(name in self.requested for name in node.outputs)
            or node.operands[0] in self.graph.constants
        ):
            return False
        source = self.views[node.operands[0]]
        for name, (first, count) in zip(node.outputs, spans, strict=True):
            self.views[name] = source.channels(first, count)
        return True

    def _emit_reference(self, node: Node) -> None:
        sources = tuple(
            self.graph.constants.get(n) if n in self.graph.constants else self.views[n] for n in node.operands
        )
        targets = tuple(
            contiguous(name, self.graph.types[name].shape, self.graph.types[name].dtype) for name in node.outputs
        )
        self.views.update(zip(node.outputs, targets, strict=True))
        self.calls.append(ReferenceCall(node, sources, targets))  # type: ignore[arg-type]

    def finished(self) -> ExecutionPlan:
        """Buffers that only kernels touch, and that nobody wants, go to the arena."""
        roots = {view.root: self.views[view.root] for view in self.views.values()}
        sizes = {root: _bytes(view) for root, view in roots.items()}
        check_bounds(self.calls, sizes)
        by_reference = {p.root for call in self.calls if isinstance(call, ReferenceCall) for p in call.writes()}
        not_in_arena = (
            {self.views[name].root for name in self.requested if name in self.views}
            | set(self.graph.inputs)
            | by_reference
        )
        lifetimes: dict[str, Lifetime] = {}
        for index, call in enumerate(self.calls):
            for view in (*call.reads(), *call.writes()):
                if view.root not in not_in_arena:
                    life = lifetimes.get(view.root)
                    lifetimes[view.root] = Lifetime(sizes[view.root], life.first if life else index, index)
        offsets, arena_bytes = arrange(lifetimes)
        owned = {root: view for root, view in roots.items() if root not in offsets}
        return ExecutionPlan(tuple(self.calls), dict(self.views), offsets, owned, arena_bytes)


def _bytes(view: TensorView) -> int:
    return math.prod(view.shape) * view.dtype.itemsize


def _channel_spans(node: Node) -> list[tuple[int, int]] | None:
    """(first channel, count) of every output where the node only takes channels apart; else None."""
    operator, outputs = node.operator, node.operator.outputs
    if len(outputs[0].shape) != 4 or outputs[0].dtype not in (*SMALL, np.dtype(np.int32)):
        return None
    if isinstance(operator, Split) and operator.axis == CHANNELS:
        counts = [output.channels for output in outputs]
        return [(sum(counts[:i]), count) for i, count in enumerate(counts)]
    if isinstance(operator, Slice):
        cut = operator.slices[CHANNELS]
        others = all(s == slice(None) for s in operator.slices[:CHANNELS])
        if others and cut.step in (None, 1) and cut.start is not None and cut.start >= 0:
            return [(cut.start, outputs[0].channels)]
    return None

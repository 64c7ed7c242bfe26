"""From a graph to the steps of a frame: what is fused, what a kernel computes, and where tensors lie."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.fast.bounds import check_bounds
from edgekit.sim.fast.kernel_call import ReferenceStep, Step
from edgekit.sim.fast.lowering import CHANNELS, SMALL, Build, Subject, can_fuse, can_fuse_into, fast_form
from edgekit.sim.fast.map_steps import copy_step
from edgekit.sim.fast.tensor_view import Lifetime, Place, arrange, whole
from edgekit.sim.graph import Graph, needed_nodes
from edgekit.sim.node import Node
from edgekit.sim.ops.layout import Concat, Slice, Split


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one frame; `offsets` place shared buffers in the arena, `own` are arrays of their own."""

    steps: tuple[Step, ...]
    places: Mapping[str, Place]
    offsets: Mapping[str, int]
    own: Mapping[str, Place]
    arena_bytes: int


def make_plan(graph: Graph, keep: Collection[str], library: Any, threads: int) -> Plan:
    """A plan that gives all outputs of `graph` and the tensors `keep`; those are never fused away."""
    planner = _Planner(graph, keep, library, threads)
    planner.fuse()
    planner.build_forms()
    planner.find_homes()
    planner.lay_steps()
    return planner.finished()


class _Planner:
    """Collects the plan; the methods run once each, in the order of make_plan."""

    def __init__(self, graph: Graph, keep: Collection[str], library: Any, threads: int) -> None:
        self.graph, self.library, self.threads = graph, library, threads
        self.wanted = {*keep, *(output.tensor for output in graph.outputs.values())}
        self.nodes = needed_nodes(graph, self.wanted)
        self.users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.operands):
                self.users.setdefault(name, []).append(node)
        # Keyed by the node itself (its id), never by what a file calls it.
        self.chains: dict[int, tuple[Node, ...]] = {}  # convolution -> nodes its kernel takes along
        self.forms: dict[int, Build] = {}  # node -> how kernels compute it
        self.homes: dict[str, tuple[str, int]] = {}  # tensor -> (result of the Concat it lies in, first channel)
        self.places: dict[str, Place] = {}
        self.steps: list[Step] = []

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
            users = self.users.get(tensor, [])
            if len(users) != 1 or tensor in self.wanted or not can_fuse(users[0], kind.dtype, bool(chain)):
                return tuple(chain)
            last = users[0]
            chain.append(last)

    def build_forms(self) -> None:
        for node in self.nodes:
            if any(name in self.graph.constants for name in node.operands):
                continue
            operands = tuple(self.graph.types[name] for name in node.operands)
            subject = Subject(node, self.chains.get(id(node), ()), operands, self.library, self.threads)
            form = fast_form(subject)
            if form is not None:
                self.forms[id(node)] = form

    def find_homes(self) -> None:
        """Kernels write the operands of a Concat straight into its result, so that nothing is copied."""
        makers = {self._result(node): node for node in self.nodes}
        for node in self.nodes:
            if not self._joins_channels(node):
                continue
            channel = 0
            for name in node.operands:
                by_kernel = name in makers and (id(makers[name]) in self.forms or self._joins_channels(makers[name]))
                if by_kernel and name not in self.wanted and name not in self.homes:
                    self.homes[name] = (node.outputs[0], channel)
                channel += self.graph.types[name].channels

    def _result(self, node: Node) -> str:
        chain = self.chains.get(id(node), ())
        return (chain[-1] if chain else node).outputs[0]

    def _joins_channels(self, node: Node) -> bool:
        operator, out = node.operator, node.operator.outputs[0]
        computed = all(name in self.graph.types for name in node.operands)
        return isinstance(operator, Concat) and operator.axis == CHANNELS and len(out.shape) == 4 and computed

    def lay_steps(self) -> None:
        for name, kind in self.graph.inputs.items():
            self.places[name] = whole(name, kind.shape, kind.dtype)
        for node in self.nodes:
            if id(node) in self.forms:
                sources = [self.places[name] for name in node.operands]
                self.steps += self.forms[id(node)](sources, self._place(self._result(node)))
            elif self._joins_channels(node):
                self._join(node)
            elif not self._as_view(node):
                self._by_reference(node)

    def _place(self, name: str) -> Place:
        """Where `name` lies: inside the Concat that it belongs to, else in a buffer of its own."""
        if name not in self.places:
            kind = self.graph.types[name]
            if name in self.homes:
                outer, channel = self.homes[name]
                self.places[name] = self._place(outer).channels(channel, kind.channels)
            else:
                self.places[name] = whole(name, kind.shape, kind.dtype)
        return self.places[name]

    def _join(self, node: Node) -> None:
        """A Concat copies only what does not lie in its result already."""
        target, channel = self._place(node.outputs[0]), 0
        for name in node.operands:
            source = self.places[name]
            part = target.channels(channel, source.shape[CHANNELS])
            if self.homes.get(name) != (node.outputs[0], channel):
                self.steps.append(copy_step(self.library, self.threads, node.name, source, part))
            channel += source.shape[CHANNELS]

    def _as_view(self, node: Node) -> bool:
        """A part of the channels is the same memory, read with other strides."""
        spans = _channel_spans(node)
        if (
            spans is None
            or any(name in self.wanted for name in node.outputs)
            or node.operands[0] in self.graph.constants
        ):
            return False
        source = self.places[node.operands[0]]
        for name, (first, count) in zip(node.outputs, spans, strict=True):
            self.places[name] = source.channels(first, count)
        return True

    def _by_reference(self, node: Node) -> None:
        sources = tuple(
            self.graph.constants.get(n) if n in self.graph.constants else self.places[n] for n in node.operands
        )
        targets = tuple(
            whole(name, self.graph.types[name].shape, self.graph.types[name].dtype) for name in node.outputs
        )
        self.places.update(zip(node.outputs, targets, strict=True))
        self.steps.append(ReferenceStep(node, sources, targets))  # type: ignore[arg-type]

    def finished(self) -> Plan:
        """Buffers that only kernels touch, and that nobody wants, go to the arena."""
        roots = {place.root: self.places[place.root] for place in self.places.values()}
        sizes = {root: _bytes(place) for root, place in roots.items()}
        check_bounds(self.steps, sizes)
        foreign = {p.root for step in self.steps if isinstance(step, ReferenceStep) for p in step.writes()}
        outside = (
            {self.places[name].root for name in self.wanted if name in self.places} | set(self.graph.inputs) | foreign
        )
        lifetimes: dict[str, Lifetime] = {}
        for index, step in enumerate(self.steps):
            for place in (*step.reads(), *step.writes()):
                if place.root not in outside:
                    life = lifetimes.get(place.root)
                    lifetimes[place.root] = Lifetime(sizes[place.root], life.first if life else index, index)
        offsets, arena_bytes = arrange(lifetimes)
        own = {root: place for root, place in roots.items() if root not in offsets}
        return Plan(tuple(self.steps), dict(self.places), offsets, own, arena_bytes)


def _bytes(place: Place) -> int:
    return math.prod(place.shape) * place.dtype.itemsize


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

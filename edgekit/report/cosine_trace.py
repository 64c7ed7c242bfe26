"""Where the cosine falls, and by which way the loss reaches which output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.report.graph import BuildGraph, block_of

FALL = 0.02  # a loss of cosine at one node worth naming: it is rarely found again behind it
START = 1.0  # the cosine before the first node


@dataclass(frozen=True, slots=True)
class Fall:
    """A node whose cosine is `drop` below the lowest of what feeds it."""

    node: str
    before: float
    cosine: float

    @property
    def drop(self) -> float:
        """How much the cosine falls at this node."""
        return self.before - self.cosine


@dataclass(frozen=True, slots=True)
class Route:
    """The way into one output: its last node, its deepest node and greatest fall, and the blocks from there on."""

    output: str
    node: str
    cosine: float
    deepest: str
    deepest_cosine: float
    fall: Fall
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """`drops` maps each node with a cosine to its fall (negative where it rises). `first` is the first fall of
    at least FALL, in the graph's order.
    """

    source: str
    drops: Mapping[str, Fall]
    first: Fall | None
    routes: tuple[Route, ...]


def trace_flow(graph: BuildGraph, output_cosines: Mapping[str, float]) -> Flow:
    """Follow the cosine through the graph; an output without a row of its own takes its last node's cosine."""
    levels = _levels(graph)
    drops = {
        name: Fall(name, min((levels[i] for i in node.inputs if i in levels), default=START), node.cosine)
        for name, node in graph.nodes.items()
        if node.cosine is not None
    }
    routes = tuple(
        route
        for output, node in graph.outputs.items()
        if (route := _route(graph, drops, levels, output, node, output_cosines)) is not None
    )
    first = next((fall for fall in drops.values() if fall.drop >= FALL), None)
    return Flow(graph.source, drops, first, routes)


def _levels(graph: BuildGraph) -> dict[str, float]:
    """Each node's cosine; a node without one (a reshape, a requantization) passes on the lowest it is fed."""
    levels: dict[str, float] = {}
    for name, node in graph.nodes.items():
        fed = [levels[i] for i in node.inputs if i in levels]
        if node.cosine is not None:
            levels[name] = node.cosine
        elif fed:
            levels[name] = min(fed)
    return levels


def _route(
    graph: BuildGraph,
    drops: Mapping[str, Fall],
    levels: Mapping[str, float],
    output: str,
    last: str,
    output_cosines: Mapping[str, float],
) -> Route | None:
    way = _ancestors(graph, last)
    falls = [drops[name] for name in way if name in drops]
    cosine = output_cosines.get(output, levels.get(last))
    if not falls or cosine is None:
        return None
    worst = max(falls, key=lambda fall: fall.drop)
    deepest = min(falls, key=lambda fall: fall.cosine)
    path = _path(graph, worst.node, last, way)
    blocks = tuple(dict.fromkeys(block_of(name) for name in path if name in drops))
    blocks = tuple(b for i, b in enumerate(blocks) if not (i and blocks[i - 1].startswith(f"{b}/")))
    return Route(output, last, cosine, deepest.node, deepest.cosine, worst, blocks)


def _ancestors(graph: BuildGraph, last: str) -> list[str]:
    """`last` and all that feeds it, nearest first."""
    parents, queue = {last: None}, [last]
    for name in queue:
        for feeder in graph.nodes[name].inputs if name in graph.nodes else ():
            if feeder not in parents:
                parents[feeder] = None
                queue.append(feeder)
    return list(parents)


def _path(graph: BuildGraph, start: str, end: str, way: list[str]) -> list[str]:
    """A shortest way from `start` to `end` along the edges."""
    inside = set(way)
    toward: dict[str, str] = {}  # node: the next one on its way to `end`
    queue, parents = [end], {end}
    for name in queue:
        if name == start:
            break
        for feeder in graph.nodes[name].inputs:
            if feeder in inside and feeder not in parents:
                parents.add(feeder)
                toward[feeder] = name
                queue.append(feeder)
    path = [start]
    while path[-1] != end and path[-1] in toward:
        path.append(toward[path[-1]])
    return path

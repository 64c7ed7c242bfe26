"""Chains of transpositions and reshapes that leave the elements in their order: the compiler runs them as one."""

from __future__ import annotations

import math

import numpy as np

from edgekit.sim.graph import Graph
from edgekit.sim.node import Node
from edgekit.sim.ops.layout import Reshape, Transpose

__all__ = ["reshaping_chains"]

MAX_ELEMENTS = 1 << 24  # of a map whose order is traced; attention has far fewer


def reshaping_chains(graph: Graph) -> tuple[tuple[Node, ...], ...]:
    """Find the longest chains of two or more layout nodes, one reading the other alone, that only reshape.

    Returns:
        The chains in the order of their first nodes; no node is in two of them.
    """
    taken: set[str] = set()
    chains = []
    for node in graph.nodes:
        if node.name in taken or not isinstance(node.operator, Transpose):
            continue
        chain = _longest(graph, node)
        if len(chain) > 1:
            chains.append(chain)
            taken.update(member.name for member in chain)
    return tuple(chains)


def _longest(graph: Graph, first: Node) -> tuple[Node, ...]:
    """The longest chain from `first` on after which every element is where it was; empty where there is none."""
    if math.prod(graph.types[first.operands[0]].shape) > MAX_ELEMENTS:
        return ()
    start = np.arange(math.prod(graph.types[first.operands[0]].shape), dtype=np.int32)
    moved = start.reshape(graph.types[first.operands[0]].shape)
    chain: list[Node] = []
    best = 0
    node: Node | None = first
    while node is not None and isinstance(node.operator, (Transpose, Reshape)):
        (moved,) = node.operator.run(moved)
        chain.append(node)
        if np.array_equal(moved.reshape(-1), start):
            best = len(chain)
        readers = graph.consumers.get(node.outputs[0], ())
        leaves = any(output.tensor == node.outputs[0] for output in graph.outputs.values())
        node = readers[0] if len(readers) == 1 and not leaves else None
    return tuple(chain[:best])

"""The reference execution: every node as its definition says it, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.graph import Graph, needed_nodes
from edgekit.sim.node import Node
from edgekit.sim.ops.operator import Arrays, run_checked

NodeHook = Callable[[Node, Callable[[], Arrays]], Arrays]


class Executor(Protocol):
    """What runs a graph: `run(inputs, keep)` gives all outputs by public name and the tensors `keep` by theirs."""

    def run(self, inputs: Mapping[str, np.ndarray], keep: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Run one frame: all outputs, and the tensors `keep`, by name."""


class ReferenceExecutor:
    """Runs a graph with the readable operators; it keeps nothing between runs, so threads may share it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        keep: Collection[str] = (),
        *,
        hook: NodeHook | None = None,
    ) -> dict[str, np.ndarray]:
        """All outputs by their public names, and the intermediate tensors `keep` by theirs.

        inputs: exactly the graph's inputs, with its shapes and dtypes. `hook(node, call)` stands around every
        node's call (profiles). Raises ModelError where an input or a tensor to keep does not fit.
        """
        graph = self.graph
        check_inputs(graph, inputs)
        requested = requested_tensors(graph, keep)
        values: dict[str, np.ndarray] = {**graph.constants, **inputs}
        nodes = needed_nodes(graph, set(requested.values()))
        last_use = {name: index for index, node in enumerate(nodes) for name in node.operands}
        for index, node in enumerate(nodes):
            operands = [values[name] for name in node.operands]
            results = hook(node, _call(node, operands)) if hook else run_checked(node.name, node.operator, *operands)
            values.update(zip(node.outputs, results, strict=True))
            for name in set(node.operands):
                if last_use[name] == index and name not in requested.values():
                    del values[name]
        return {name: np.array(values[tensor]) for name, tensor in requested.items()}


def _call(node: Node, operands: list[np.ndarray]) -> Callable[[], Arrays]:
    return lambda: run_checked(node.name, node.operator, *operands)


def requested_tensors(graph: Graph, keep: Collection[str]) -> dict[str, str]:
    """Result name -> tensor, for all outputs and the tensors `keep`."""
    unknown = [name for name in keep if name not in graph.types]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} is no tensor of this graph, expected one of {len(graph.types)}",
            hint="edgekit verify --stats lists the tensors",
        )
    return {**{name: name for name in keep}, **{out.name: out.tensor for out in graph.outputs.values()}}


def check_inputs(graph: Graph, inputs: Mapping[str, np.ndarray]) -> None:
    """Raise ModelError unless `inputs` are exactly what the graph takes."""
    if set(inputs) != set(graph.inputs):
        raise ModelError(
            f"inputs {sorted(inputs)} were given, expected {sorted(graph.inputs)}",
            hint="name the inputs as the model does",
        )
    for name, expected in graph.inputs.items():
        value = inputs[name]
        if value.shape != expected.shape or value.dtype != expected.dtype:
            raise ModelError(
                f"input {name!r} is {value.dtype}{list(value.shape)}, expected {expected}",
                hint="prepare the input as the model's sidecar says",
            )

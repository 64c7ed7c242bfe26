"""A graph with one thing changed is refused when it is loaded, or gives the same integers in every execution."""

from __future__ import annotations

import os

import numpy as np
import pytest

from edgekit.errors import EdgekitError
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import Graph, load_graph
from tests.sim.hostile_graphs import hostile_graphs
from tests.sim.random_ops import MAKERS, random_graph
from tests.sim.random_plans import RandomPlan

SOUND = {kind: random_graph(kind, 3, count=2) for kind in sorted(MAKERS)}
SOUND |= {f"plan {seed}": RandomPlan(seed).graph() for seed in (1, 2)}
# All of them where the kernels watch their buffers (make test-sanitize), which `.ci/run` does after `make test`.
CHANGED = list(SOUND) if "EDGEKIT_KERNEL_FLAGS" in os.environ else list(SOUND)[::4]


def loaded(data: bytes) -> Graph | None:
    """The graph, or None where it is refused in two lines."""
    try:
        return load_graph(data)
    except EdgekitError as error:
        assert error.message and error.hint
        return None


def differing(graph: Graph) -> list[str]:
    """The outputs in which the fast execution and the reference differ."""
    rng = np.random.default_rng(0)
    inputs = {name: rng.integers(-128, 128, kind.shape).astype(kind.dtype) for name, kind in graph.inputs.items()}
    expected, found = ReferenceExecutor(graph).run(inputs), make_executor(graph).run(inputs)
    return [
        name
        for name, value in expected.items()
        if value.dtype != found[name].dtype or not np.array_equal(value, found[name])
    ]


@pytest.mark.parametrize("kind", CHANGED)
def test_every_single_change_is_refused_or_computed_alike(kind: str) -> None:
    assert differing(load_graph(SOUND[kind])) == []
    refused, wrong = 0, {}
    for what, data in hostile_graphs(SOUND[kind]):
        graph = loaded(data)
        if graph is None:
            refused += 1
        elif names := differing(graph):
            wrong[what] = names
    assert not wrong
    assert refused > 20


@pytest.mark.parametrize("kind", SOUND)
def test_repeated_names_are_always_refused(kind: str) -> None:
    repeated = [(what, data) for what, data in hostile_graphs(SOUND[kind]) if "name" in what.split(":")[0]]
    assert len(repeated) > 3
    assert [what for what, data in repeated if loaded(data) is not None] == []

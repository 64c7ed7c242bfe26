"""Plans of random graphs: whatever is fused, shared or laid into a Concat, the integers are the reference's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph
from tests.sim.random_plans import RandomPlan


@pytest.mark.needs_kernels
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_plan_gives_the_reference_integers(seed: int) -> None:
    graph = load_graph(RandomPlan(seed).graph())
    rng = np.random.default_rng(seed)
    inputs = {name: rng.integers(-128, 128, kind.shape).astype(kind.dtype) for name, kind in graph.inputs.items()}
    tensors = list(graph.types)
    expected = ReferenceExecutor(graph).run(inputs, tensors)
    executor = make_executor(graph)
    for keep in ([], tensors, tensors[seed % len(tensors) :][:1], []):
        for name, value in executor.run(inputs, keep).items():
            assert value.dtype == expected[name].dtype
            assert np.array_equal(value, expected[name]), (name, keep)

"""What the vendor's executor computed, kept as fixtures: the reference and the fast execution give the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph, strip_dequantize
from tests.sim.random_ops import MAKERS, random_graph, random_input

VENDOR = Path(__file__).resolve().parent.parent / "fixtures" / "vendor"
SEED = 7  # as tools/make_vendor_fixtures.py has it


@pytest.mark.parametrize("execution", ["reference", "fast"])
@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_random_nodes_give_the_vendors_integers(kind: str, execution: str) -> None:
    graph = load_graph(random_graph(kind, SEED))
    found = make_executor(graph, execution=execution).run(random_input(SEED))
    with np.load(VENDOR / "ops.npz", allow_pickle=False) as expected:
        for name, value in found.items():
            wanted = expected[f"{kind}:{name}"]
            assert value.dtype == wanted.dtype
            assert np.count_nonzero(value != wanted) == 0, f"{kind} {name} {graph.producers[name].attributes}"


def test_the_demo_model_gives_the_vendors_integers() -> None:
    graph = load_graph(VENDOR / "demo_quantized_model.onnx")
    raw = strip_dequantize(graph, [n.name for n in graph.nodes if n.op_type == "HzDequantize"])
    with np.load(VENDOR / "demo.npz", allow_pickle=False) as kept:
        inputs = {name: kept[f"input:{name}"] for name in graph.inputs}
        for execution in (ReferenceExecutor(raw), make_executor(raw)):
            found = execution.run(inputs)
            for name, value in found.items():
                assert np.array_equal(value, kept[f"int:{name}"]), name

"""Names that repeat are refused when a graph is loaded, and plans never go by a node's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph
from tests.sim.fast.test_fast import block, frame
from tests.sim.synthetic import NodeSpec, graph_bytes

INPUT = {"x": ("int8", (1, 2, 2, 4))}
OUTPUT = {"y": ("int8", (1, 2, 2, 4))}


def chain_of_two() -> onnx.ModelProto:
    nodes = [NodeSpec("Identity", ["x"], ["a"], name="first"), NodeSpec("Identity", ["a"], ["y"], name="second")]
    return onnx.load_from_string(graph_bytes(nodes, INPUT, OUTPUT))


def rename_second(model: onnx.ModelProto) -> None:
    model.graph.node[1].name = "first"


def empty_name_meets_a_generated_one(model: onnx.ModelProto) -> None:
    model.graph.node[0].name, model.graph.node[1].name = "Identity_1", ""


def repeat_an_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(model.graph.input[0])


def repeat_an_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(model.graph.output[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (rename_second, "2 nodes of the quantized graph have the name 'first'"),
        (empty_name_meets_a_generated_one, "2 nodes of the quantized graph have the name 'Identity_1'"),
        (repeat_an_input, "2 inputs of the quantized graph have the name 'x'"),
        (repeat_an_output, "2 outputs of the quantized graph have the name 'y'"),
    ],
)
def test_names_that_repeat_are_refused(change: Callable[[onnx.ModelProto], None], says: str) -> None:
    model = chain_of_two()
    load_graph(model.SerializeToString())
    change(model)
    with pytest.raises(ModelError) as caught:
        load_graph(model.SerializeToString())
    assert says in caught.value.message


@pytest.mark.parametrize("outputs", [["a", "a"], ["a", ""], ["x", "a"]])
def test_tensors_that_a_node_writes_twice_are_refused(outputs: list[str]) -> None:
    node = NodeSpec("Split", ["x"], outputs, {"axis": 3}, name="apart")
    with pytest.raises(ModelError, match="node 'apart' .*it writes"):
        load_graph(graph_bytes([node], INPUT, {"a": ("int8", (1, 2, 2, 2))}))


def test_nodes_without_names_are_told_apart() -> None:
    model = chain_of_two()
    for node in model.graph.node:
        node.name = ""
    assert [node.name for node in load_graph(model.SerializeToString()).nodes] == ["Identity_0", "Identity_1"]


@pytest.mark.needs_kernels
def test_plans_do_not_go_by_the_names_of_nodes() -> None:
    graph = block()
    expected = ReferenceExecutor(graph).run(frame(3))
    nameless = replace(graph, nodes=tuple(replace(node, name="same") for node in graph.nodes))
    for name, value in make_executor(nameless).run(frame(3)).items():
        assert np.array_equal(value, expected[name]), name


@pytest.mark.parametrize("name", ["repeated_node_names_abort", "repeated_node_names_wrong_integers"])
def test_hostile_names_are_refused(name: str, shared_data: Path) -> None:
    path = shared_data / "hostile" / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"no {path}")
    with pytest.raises(ModelError, match="have the name"):
        load_graph(path)

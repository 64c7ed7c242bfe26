"""Float operators as onnxruntime runs them: sizes that are known, inputs that are there, scalars that stay scalars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph
from tests.sim.synthetic import ELEMENTS, NodeSpec, model_proto


def graph_of(nodes: list[NodeSpec], shape: tuple[int, ...], output: str = "y") -> bytes:
    """A graph over the float input `x` whose output declares no shape."""
    model = model_proto(nodes, {"x": ("float32", shape)}, {output: ("float32", ())})
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert model.graph.output[0].type.tensor_type.elem_type == ELEMENTS["float32"]
    return model.SerializeToString()


@pytest.mark.parametrize("op_type", ["ReduceMin", "ReduceSum", "ReduceMean"])
def test_a_scalar_result_is_a_scalar_in_every_execution(op_type: str) -> None:
    graph = load_graph(graph_of([NodeSpec(op_type, ["x"], ["y"], {"keepdims": 0}, {}, "n")], (1, 2, 3)))
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    expected = ReferenceExecutor(graph).run({"x": x})["y"]
    found = make_executor(graph).run({"x": x})["y"]
    assert expected.shape == found.shape == () and expected == found
    assert expected == {"ReduceMin": 0, "ReduceSum": 15, "ReduceMean": 2.5}[op_type]


def test_a_scalar_goes_through_a_chain_of_float_operators() -> None:
    nodes = [
        NodeSpec("ReduceSum", ["x"], ["s"], {"keepdims": 0}, {}, "sum"),
        NodeSpec("Transpose", ["s"], ["t"], {}, {}, "turn"),
        NodeSpec("Neg", ["t"], ["y"], {}, {}, "minus"),
    ]
    graph = load_graph(graph_of(nodes, (1, 3)))
    x = np.array([[1, 2, 4]], np.float32)
    for executor in (ReferenceExecutor(graph), make_executor(graph)):
        assert executor.run({"x": x})["y"] == -7


@pytest.mark.parametrize(
    ("op_type", "inputs"), [("Min", ["x", "", "x"]), ("Add", ["x", ""]), ("Sub", ["", "x"]), ("Conv", ["x", ""])]
)
def test_inputs_that_an_operator_needs_may_not_be_left_out(op_type: str, inputs: list[str]) -> None:
    with pytest.raises(ModelError, match=r"node 'n'.*input [01] is left out, expected a tensor"):
        load_graph(graph_of([NodeSpec(op_type, inputs, ["y"], {}, {}, "n")], (1, 2, 3, 3)))


def test_optional_inputs_may_be_left_out() -> None:
    node = NodeSpec("Clip", ["x", "", "high"], ["y"], {}, {"high": np.float32(1)}, "n")
    graph = load_graph(graph_of([node], (1, 3)))
    assert ReferenceExecutor(graph).run({"x": np.array([[-5, 0, 5]], np.float32)})["y"].tolist() == [[-5, 0, 1]]


def test_operators_that_the_opset_does_not_have_are_refused() -> None:
    with pytest.raises(ModelError, match="node 'n'.*opset 11 has no such operator"):
        load_graph(graph_of([NodeSpec("HardSwish", ["x"], ["y"], {}, {}, "n")], (1, 3)))


@pytest.mark.parametrize(
    ("op_type", "attributes", "constants"),
    [
        ("Conv", {"kernel_shape": [3, 3]}, {"w": np.ones((2, 5, 1, 1), np.float32)}),
        ("MatMul", {}, {"w": np.ones((7, 7), np.float32)}),
        ("MaxPool", {"kernel_shape": [0, 0]}, {}),
        ("Softmax", {"axis": 9}, {}),
    ],
)
def test_parameters_that_do_not_fit_are_refused_in_two_lines(
    op_type: str, attributes: dict[str, Any], constants: dict[str, np.ndarray]
) -> None:
    node = NodeSpec(op_type, ["x", *constants], ["y"], attributes, constants, "n")
    with pytest.raises(ModelError, match="node 'n'") as caught:
        load_graph(graph_of([node], (1, 3, 4, 4)))
    assert "\n" not in caught.value.message

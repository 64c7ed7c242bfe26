"""The index of a graph and pieces cut out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import (
    extract,
    index_graph,
    is_horizon,
    load_model,
    open_session,
    reachable,
    tensor_shapes,
)


def _model() -> onnx.ModelProto:
    """y = relu(x) + shape(x)[0], with a node and a weight that nobody needs."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["f"], ["m"], keepdims=0),
        helper.make_node("Add", ["r", "m"], ["y"]),
        helper.make_node("Mul", ["r", "w"], ["unused"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [numpy_helper.from_array(np.ones(3, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def test_reachable_follows_values_not_shapes() -> None:
    index = index_graph(_model())
    assert reachable(index, "x") == {"x", "r", "y", "unused"}
    assert index.producers["y"].op_type == "Add"
    assert [n.op_type for n in index.consumers["r"]] == ["Add", "Mul"]


def test_extract_leaves_behind_what_is_not_needed() -> None:
    piece = extract(_model(), {}, ["y"])
    assert [n.op_type for n in piece.graph.node] == ["Relu", "Shape", "Cast", "ReduceMax", "Add"]
    assert len(piece.graph.initializer) == 0
    tail = extract(_model(), {"r": (2, 3), "m": ()}, ["y"])
    assert [n.op_type for n in tail.graph.node] == ["Add"]
    values = open_session(tail)({"r": np.ones((2, 3), np.float32), "m": np.array(2, np.float32)})
    np.testing.assert_array_equal(values["y"], np.full((2, 3), 3, np.float32))


def test_true_shapes() -> None:
    assert tensor_shapes(_model(), ["r", "s", "m"], (2, 3)) == {"r": (2, 3), "s": (2,), "m": ()}


def test_a_graph_that_cannot_run_is_told_in_one_line() -> None:
    with pytest.raises(ModelError) as caught:
        open_session(_model())({"x": np.zeros((1, 9), np.float32)})
    assert "\n" not in caught.value.message


def test_load_refuses_what_is_no_valid_graph(tmp_path: Path) -> None:
    model = _model()
    del model.graph.node[0]  # r comes from nowhere
    onnx.save(model, str(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="not a valid ONNX graph"):
        load_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "none.onnx")
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read as ONNX|without nodes"):
        load_model(tmp_path / "labels.json")
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="0 bytes"):
        load_model(tmp_path / "empty.onnx")


def test_is_horizon() -> None:
    model = _model()
    assert not is_horizon(model)
    model.graph.node[0].domain = "horizon"
    assert is_horizon(model)

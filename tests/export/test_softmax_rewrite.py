"""Softmax in five steps over the channels: equal, and only where it is over the last axis."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.export.softmax_rewrite import name_last_axis, rewrite_softmax
from tests.stock_rows import run_onnx


def _softmax(shape: tuple[int, ...], axis: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], "attn/Softmax", axis=axis)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(shape))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


@pytest.mark.parametrize(("shape", "axis"), [((1, 2, 5, 7), 3), ((1, 2, 5, 7), -1), ((2, 5, 7), 2)])
def test_five_steps_give_the_softmax(shape: tuple[int, ...], axis: int) -> None:
    model = _softmax(shape, axis)
    rewritten, names = rewrite_softmax(model, {"x": len(shape)})
    assert names == ("attn/Softmax",)
    ops = [n.op_type for n in rewritten.graph.node]
    assert ops == ["Transpose", "ReduceMax", "Sub", "Exp", "ReduceSum", "Div", "Transpose"]
    x = np.random.default_rng(0).normal(0, 30, shape).astype(np.float32)
    np.testing.assert_allclose(run_onnx(rewritten, x)["y"], run_onnx(model, x)["y"], atol=1e-6)


@pytest.mark.parametrize(("shape", "axis"), [((1, 2, 5, 7), 1), ((2, 5), 1)])
def test_other_softmaxes_stay(shape: tuple[int, ...], axis: int) -> None:
    rewritten, names = rewrite_softmax(_softmax(shape, axis), {"x": len(shape)})
    assert names == ()
    assert [n.op_type for n in rewritten.graph.node] == ["Softmax"]


def test_the_last_axis_is_named_minus_one() -> None:
    named = name_last_axis(_softmax((1, 2, 5, 7), 3), {"x": 4})
    assert named.graph.node[0].attribute[0].i == -1
    assert name_last_axis(_softmax((1, 2, 5, 7), 1), {"x": 4}).graph.node[0].attribute[0].i == 1

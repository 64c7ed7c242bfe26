"""Softmax in five steps over the channels: equal, and only where it is over the last axis."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.export.softmax_rewrite import attention_product, name_last_axis, rewrite_softmax
from edgekit.graph.onnx_graph import open_session
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
    rewritten, names = rewrite_softmax(model, {"x": shape})
    assert names == ("attn/Softmax",)
    ops = [n.op_type for n in rewritten.graph.node]
    assert ops == ["Transpose", "ReduceMax", "Sub", "Exp", "ReduceSum", "Div", "Transpose"]
    x = np.random.default_rng(0).normal(0, 30, shape).astype(np.float32)
    np.testing.assert_allclose(run_onnx(rewritten, x)["y"], run_onnx(model, x)["y"], atol=1e-6)


def _attention(*, queries_last: bool, second_reader: bool = False) -> onnx.ModelProto:
    """Shares of 5 queries over 7 keys in 2 heads, times values of 3 channels."""
    nodes = [helper.make_node("Softmax", ["x"], ["y"], "attn/Softmax", axis=-1)]
    shares = "y"
    if queries_last:
        nodes.append(helper.make_node("Transpose", ["y"], ["t"], "attn/Transpose", perm=[0, 1, 3, 2]))
        shares = "t"
    operands = ["v", shares] if queries_last else [shares, "v"]
    nodes.append(helper.make_node("MatMul", operands, ["z"], "attn/MatMul"))
    if second_reader:
        nodes.append(helper.make_node("Neg", [shares], ["other"], "other"))
    values = [1, 2, 3, 7] if queries_last else [1, 2, 7, 3]
    results = {"z": [1, 2, 3, 5] if queries_last else [1, 2, 5, 3]}
    if second_reader:
        results["other"] = [1, 2, 7, 5] if queries_last else [1, 2, 5, 7]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 2, 5, 7]), ("v", values))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in results.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


@pytest.mark.parametrize("queries_last", [True, False])
def test_in_front_of_a_product_the_division_is_split(queries_last: bool) -> None:
    model = _attention(queries_last=queries_last)
    rewritten, names = rewrite_softmax(model, {"x": (1, 2, 5, 7)})
    assert names == ("attn/Softmax",)
    onnx.checker.check_model(rewritten, full_check=True)
    ops = [n.op_type for n in rewritten.graph.node]
    assert ops[:9] == ["Transpose", "ReduceMax", "Sub", "Exp", "Conv", "Sqrt", "Reciprocal", "Mul", "Transpose"]
    assert ops.count("Mul") == 2 and "Div" not in ops and "Softmax" not in ops
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(0, 8, (1, 2, 5, 7)), "v": rng.normal(0, 1, (1, 2, 3, 7) if queries_last else (1, 2, 7, 3))}
    given = {name: value.astype(np.float32) for name, value in feeds.items()}
    ours, expected = (open_session(m)(given)["z"] for m in (rewritten, model))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("queries_last", [True, False])
def test_shares_that_something_else_reads_stay_shares(queries_last: bool) -> None:
    model = _attention(queries_last=queries_last, second_reader=True)
    rewritten, _ = rewrite_softmax(model, {"x": (1, 2, 5, 7)})
    assert [n.op_type for n in rewritten.graph.node].count("Div") == 1
    assert attention_product(model, model.graph.node[0]) is None


def test_two_softmaxes_in_one_product_split_one_of_them() -> None:
    model = _attention(queries_last=False)
    nodes = [
        helper.make_node("Softmax", ["v"], ["w"], "other/Softmax", axis=-1),
        helper.make_node("Transpose", ["w"], ["u"], "other/Transpose", perm=[0, 1, 3, 2]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([helper.make_node("Softmax", ["x"], ["y"], "attn/Softmax", axis=-1), *nodes])
    model.graph.node.append(helper.make_node("MatMul", ["y", "u"], ["z"], "attn/MatMul"))
    model.graph.input[1].type.tensor_type.shape.dim[2].dim_value = 3
    model.graph.input[1].type.tensor_type.shape.dim[3].dim_value = 7
    rewritten, names = rewrite_softmax(model, {"x": (1, 2, 5, 7), "v": (1, 2, 3, 7)})
    ops = [n.op_type for n in rewritten.graph.node]
    assert len(names) == 2 and ops.count("Sqrt") == ops.count("Div") == 1
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(0, 3, (1, 2, n, 7)).astype(np.float32) for name, n in (("x", 5), ("v", 3))}
    ours, expected = (open_session(m)(inputs)["z"] for m in (rewritten, model))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_product_that_sums_over_queries_is_none_of_attention() -> None:
    model = _attention(queries_last=False)
    model.graph.node[1].input[:] = ["v", "y"]
    assert attention_product(model, model.graph.node[0]) is None


@pytest.mark.parametrize(("shape", "axis"), [((1, 2, 5, 7), 1), ((2, 5), 1)])
def test_other_softmaxes_stay(shape: tuple[int, ...], axis: int) -> None:
    rewritten, names = rewrite_softmax(_softmax(shape, axis), {"x": shape})
    assert names == ()
    assert [n.op_type for n in rewritten.graph.node] == ["Softmax"]


def test_the_last_axis_is_named_minus_one() -> None:
    named = name_last_axis(_softmax((1, 2, 5, 7), 3), {"x": 4})
    assert named.graph.node[0].attribute[0].i == -1
    assert name_last_axis(_softmax((1, 2, 5, 7), 1), {"x": 4}).graph.node[0].attribute[0].i == 1

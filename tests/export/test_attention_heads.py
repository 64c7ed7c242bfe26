"""Attention head by head: the same numbers, whatever the export; left alone where it is of another kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.attention_heads import split_attention_heads
from edgekit.export.cut import CutOptions, cut_graph
from edgekit.graph.declared_quantization import DeclaredQuantization
from tests.stock_rows import run_onnx
from tests.tiny_yolo import tiny_yolo

KEYS, VALUES, SIDES = 4, 6, (3, 5)


def _exported(
    *, heads: int = 2, factor_of: str = "scores", divided: bool = False, position: bool = True
) -> onnx.ModelProto:
    """Attention of `heads` heads as Ultralytics exports it, between an input of 8 channels and a projection."""
    rng = np.random.default_rng(1)
    per_head, positions = 2 * KEYS + VALUES, SIDES[0] * SIDES[1]
    constants: dict[str, npt.NDArray[Any]] = {
        "qkv.weight": rng.normal(0, 0.5, (heads * per_head, 8, 1, 1)).astype(np.float32),
        "qkv.bias": rng.normal(0, 0.5, heads * per_head).astype(np.float32),
        "pe.weight": rng.normal(0, 0.5, (heads * VALUES, 1, 3, 3)).astype(np.float32),
        "factor": np.array(2.0 if divided else 0.5, np.float32),
        "view": np.array([1, heads, per_head, positions], np.int64),
        "map": np.array([1, heads * VALUES, *SIDES], np.int64),
    }
    scaled = "Div" if divided else "Mul"
    names = {"queries": "q", "turned": "qt", "keys": "k", "scores": "s"}
    nodes = [
        helper.make_node("Conv", ["x", "qkv.weight", "qkv.bias"], ["qkv"], "qkv/Conv", kernel_shape=[1, 1]),
        helper.make_node("Reshape", ["qkv", "view"], ["heads"], "attn/Reshape"),
        helper.make_node("Split", ["heads"], ["q", "k", "v"], "attn/Split", axis=2, split=[KEYS, KEYS, VALUES]),
    ]

    def step(what: str, op: str, inputs: list[str], **values: Any) -> None:
        """A node, and behind it the factor where it belongs there."""
        if op:
            nodes.append(helper.make_node(op, inputs, [names[what]], f"attn/{what}", **values))
        if factor_of == what:
            nodes.append(helper.make_node(scaled, [names[what], "factor"], [f"{what}_scaled"], f"attn/{what}_factor"))
            names[what] = f"{what}_scaled"

    step("queries", "", [])
    step("keys", "", [])
    step("turned", "Transpose", [names["queries"]], perm=[0, 1, 3, 2])
    step("scores", "MatMul", [names["turned"], names["keys"]])
    nodes += [
        helper.make_node("Softmax", [names["scores"]], ["p"], "attn/Softmax", axis=-1),
        helper.make_node("Transpose", ["p"], ["pt"], "attn/Transpose_1", perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["v", "pt"], ["r"], "attn/MatMul_1"),
        helper.make_node("Reshape", ["r", "map"], ["rm"], "attn/Reshape_1"),
    ]
    if position:
        nodes += [
            helper.make_node("Reshape", ["v", "map"], ["vm"], "attn/Reshape_2"),
            helper.make_node("Conv", ["vm", "pe.weight"], ["e"], "pe/Conv", group=heads * VALUES, pads=[1] * 4),
        ]
    nodes.append(helper.make_node("Add" if position else "Relu", ["rm", "e"] if position else ["rm"], ["y"], "y"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, *SIDES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, heads * VALUES, *SIDES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def _node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("factor_of", ["queries", "turned", "keys", "scores", "nothing"])
def test_the_numbers_stay(heads: int, factor_of: str) -> None:
    model = _exported(heads=heads, factor_of=factor_of, divided=heads == 2, position=heads != 3)
    split = split_attention_heads(model)
    assert split.names == ("attn/Softmax",)
    onnx.checker.check_model(split.model, full_check=True)
    ops = Counter(node.op_type for node in split.model.graph.node)
    assert (ops["Softmax"], ops["MatMul"], ops["Reshape"]) == (heads, 2 * heads, 4 * heads)
    assert ops["Mul"] + ops["Div"] == 0  # the factor is in the queries' weights
    x = np.random.default_rng(0).normal(0, 2, (1, 8, *SIDES)).astype(np.float32)
    np.testing.assert_allclose(run_onnx(split.model, x)["y"], run_onnx(model, x)["y"], rtol=0, atol=2e-5)
    names = [initializer.name for initializer in split.model.graph.initializer]
    assert len(set(names)) == len(names) and "qkv.weight" not in names


def _second_reader(of: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Relu", [of], [f"{of}_seen"], f"{of}_seen"))
        model.graph.output.append(helper.make_tensor_value_info(f"{of}_seen", TensorProto.FLOAT, [1, None, None, None]))

    return change


def _ordered_otherwise(model: onnx.ModelProto) -> None:
    _node(model, "attn/Split").output[:] = ["k", "q", "v"]


def _no_constant_weight(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Relu", ["qkv.weight"], ["rectified"], "rectified"))
    _node(model, "qkv/Conv").input[1] = "rectified"


def _taken_name(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "qkv_keys_0"))


def _two_groups(model: onnx.ModelProto) -> None:
    node = _node(model, "qkv/Conv")
    node.attribute.append(helper.make_attribute("group", 2))
    weight = next(i for i in model.graph.initializer if i.name == "qkv.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:, :4], "qkv.weight"))


def _over_queries(model: onnx.ModelProto) -> None:
    _node(model, "attn/Softmax").attribute[0].i = 2


def _over_all(model: onnx.ModelProto) -> None:
    del _node(model, "attn/Softmax").attribute[:]  # opset 11: over axis 1 and all behind it


def _factor_per_query(model: onnx.ModelProto) -> None:
    factor = next(i for i in model.graph.initializer if i.name == "factor")
    factor.CopyFrom(numpy_helper.from_array(np.linspace(0.1, 1, 15, dtype=np.float32).reshape(15, 1), "factor"))


@pytest.mark.parametrize(
    "change",
    [
        *(_second_reader(name) for name in ("qkv", "heads", "q", "k", "v", "qt", "s", "p", "pt", "r")),
        _ordered_otherwise,
        _no_constant_weight,
        _taken_name,
        _two_groups,
        _factor_per_query,
        _over_queries,
        _over_all,
    ],
)
def test_attention_of_another_kind_stays(change: Callable[[onnx.ModelProto], None]) -> None:
    model = _exported()
    change(model)
    onnx.checker.check_model(model)
    split = split_attention_heads(model)
    assert split.model is model and split.names == ()


def test_graphs_without_attention_stay() -> None:
    model = tiny_yolo(family="yolov8")
    assert split_attention_heads(model).model is model


def test_a_declaration_covers_what_the_heads_are_made_of() -> None:
    model = _exported()
    per_channel = tuple(0.01 * (i + 1) for i in range(2 * (2 * KEYS + VALUES)))
    split = split_attention_heads(model)
    declared = split.declared(
        DeclaredQuantization({"qkv": 3.0, "p": 1.0}, {"qkv.weight": per_channel, "pe.weight": (0.1,)})
    )
    assert declared.thresholds["qkv_queries_1"] == 1.5 and declared.thresholds["qkv_keys_1"] == 3.0
    assert declared.thresholds["vm"] == 3.0 and declared.thresholds["p_0"] == 1.0
    second = 2 * KEYS + VALUES
    assert declared.weight_scales["qkv_queries_1.weight"] == tuple(0.5 * s for s in per_channel[second : second + KEYS])
    assert declared.weight_scales["vm.weight"] == per_channel[8:14] + per_channel[second + 8 : second + 14]
    assert declared.weight_scales["pe.weight"] == (0.1,)
    weights = {i.name: numpy_helper.to_array(i) for i in split.model.graph.initializer}
    assert {n for n in declared.weight_scales if n in weights} == {n for n in weights if n.endswith(".weight")}
    whole = split.declared(DeclaredQuantization({}, {"qkv.weight": (0.02,)}))
    assert whole.weight_scales["qkv_queries_0.weight"] == (0.01,) and whole.weight_scales["vm.weight"] == (0.02,)


@pytest.mark.parametrize("family", ["yolo11", "yolov10", "yolo26"])
def test_exports_are_cut_head_by_head(family: str) -> None:
    cut = cut_graph(tiny_yolo(family=family))
    assert any("to single heads" in text for text in cut.rewritten)
    ops = Counter(node.op_type for node in cut.model.graph.node)
    assert ops["MatMul"] >= 4 and ops["Softmax"] == 0
    kept = cut_graph(tiny_yolo(family=family), CutOptions(keep_softmax=True))
    assert not any("to single heads" in text for text in kept.rewritten)
    x = np.random.default_rng(3).random((1, 3, 64, 96), np.float32)
    for name, values in run_onnx(kept.model, x).items():
        np.testing.assert_allclose(run_onnx(cut.model, x)[name], values, atol=1e-3 * np.abs(values).max())

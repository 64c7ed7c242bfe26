"""Ops lowered to opset 11: the same numbers, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export.opset import opset_of, to_opset_11
from tests.stock_rows import run_onnx

IMAGE = np.random.default_rng(0).normal(0, 2, (1, 3, 4, 6)).astype(np.float32)


def _model(
    op: str, opset: int, *constants: Any, outputs: int = 1, optional: bool = False, **values: Any
) -> onnx.ModelProto:
    names = [f"c{i}" for i in range(len(constants))]
    inputs = ["x", *("" if c is None else n for n, c in zip(names, constants, strict=True))]
    tensors = [
        numpy_helper.from_array(np.asarray(c), n) for n, c in zip(names, constants, strict=True) if c is not None
    ]
    outs = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, outs, "the_node", **values)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(IMAGE.shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outs],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


CASES = [
    _model("Split", 13, np.array([1, 2]), outputs=2, axis=1),
    _model("Split", 18, outputs=3, axis=3, num_outputs=3),
    _model("Unsqueeze", 13, np.array([0])),
    _model("Squeeze", 13, np.array([0])),
    _model("ReduceSum", 13, np.array([1]), keepdims=1),
    _model("ReduceMax", 18, np.array([2, 3]), keepdims=0),
    _model("ReduceMean", 18, np.array([-1]), keepdims=1),
    _model("Softmax", 13, axis=-1),
    _model("Reshape", 14, np.array([1, 3, -1]), allowzero=0),
    _model("Resize", 13, None, np.array([1, 1, 2, 2], np.float32), mode="nearest", nearest_mode="floor",
           coordinate_transformation_mode="asymmetric"),
    _model("HardSwish", 14),
    _model("Sigmoid", 17),
    _model("Relu", 9),
]  # fmt: skip


@pytest.mark.parametrize("model", CASES, ids=lambda m: f"{m.graph.node[0].op_type}-{m.opset_import[0].version}")
def test_the_same_numbers_in_opset_11(model: onnx.ModelProto) -> None:
    lowered = to_opset_11(model)
    assert opset_of(lowered) in (10, 11)
    before, after = run_onnx(model, IMAGE), run_onnx(lowered, IMAGE)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6, atol=1e-7)


def test_opset_10_and_11_are_left_as_they_are() -> None:
    for opset in (10, 11):
        model = _model("Sigmoid", opset)
        assert to_opset_11(model) is model


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (_model("Softmax", 13, axis=1), "axis 1"),
        (_model("Celu", 12), "after opset 11"),
        (_model("Reshape", 14, np.array([1, 3, -1]), allowzero=1), "allowzero"),
        (_model("LayerNormalization", 17, np.ones(6, np.float32)), "after opset 11"),
    ],
)
def test_what_has_no_equal_is_named(model: onnx.ModelProto, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        to_opset_11(model)
    assert "the_node" in caught.value.message

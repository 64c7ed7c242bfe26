"""The passes before the cut: the input fixed, shape arithmetic folded."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export.prepare import fix_input, fold_constants
from edgekit.graph.onnx_graph import declared_shape, graph_inputs
from tests.stock_rows import run_onnx
from tests.tiny_yolo import tiny_yolo


def _shape_arithmetic() -> onnx.ModelProto:
    """Flattens by a shape that is computed from the image's own, as exports with dynamic=True do."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "two"], ["h"]),
        helper.make_node("Gather", ["s", "three"], ["w"]),
        helper.make_node("Mul", ["h", "w"], ["cells"]),
        helper.make_node("Concat", ["one_three", "cells"], ["flat"], axis=0),
        helper.make_node("Reshape", ["x", "flat"], ["y"]),
    ]
    constants = {"two": [2], "three": [3], "one_three": [1, 3]}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.array(v), k) for k, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=6,
    )


def test_shape_arithmetic_becomes_a_constant() -> None:
    fixed, size_wh = fix_input(_shape_arithmetic(), (4, 6))
    folded = fold_constants(fixed)
    assert size_wh == (6, 4)
    assert [n.op_type for n in folded.graph.node] == ["Reshape"]
    image = np.arange(72, dtype=np.float32).reshape(1, 3, 4, 6)
    np.testing.assert_array_equal(run_onnx(folded, image)["y"], image.reshape(1, 3, 24))


def test_folding_changes_no_value_and_settles() -> None:
    model = tiny_yolo(task="segment")
    folded = fold_constants(model)
    assert not any(n.op_type in ("Constant", "Shape", "Gather") for n in folded.graph.node)
    image = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    before, after = run_onnx(model, image), run_onnx(folded, image)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    assert len(fold_constants(folded).graph.node) == len(folded.graph.node)


def test_the_given_model_is_untouched() -> None:
    model = tiny_yolo(batch="b", dynamic_size=True)
    before = model.SerializeToString()
    fixed, _ = fix_input(model, (64, 96))
    assert model.SerializeToString() == before
    assert declared_shape(graph_inputs(fixed)[0]) == (1, 3, 64, 96)


@pytest.mark.parametrize(
    ("shape", "kind", "told"),
    [
        ([1, 3, 64], TensorProto.FLOAT, "expected \\(1, 3, height, width\\)"),
        ([1, 6, 64, 64], TensorProto.FLOAT, "expected \\(1, 3, height, width\\)"),
        ([1, 64, 64, 3], TensorProto.FLOAT, "expected \\(1, 3, height, width\\)"),
        ([900, 3, 64, 64], TensorProto.FLOAT, "batch 900"),
        ([1, 3, 64, 64], TensorProto.UINT8, "UINT8"),
        ([1, 3, "h", 64], TensorProto.FLOAT, "open height or width"),
    ],
)
def test_other_inputs_are_refused(shape: list, kind: int, told: str) -> None:
    model = _shape_arithmetic()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, shape))
    with pytest.raises(ModelError, match=told):
        fix_input(model, None)


def test_two_inputs_are_refused() -> None:
    model = _shape_arithmetic()
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelError, match="2 inputs"):
        fix_input(model, None)

"""Sums of stacked maps become additions, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.stacked_sums import rewrite_stacked_sums
from tests.stock_rows import run_onnx

IMAGE = np.random.default_rng(0).normal(0, 1, (1, 3, 4, 5)).astype(np.float32)


def stack_of(
    opset: int, *, axis: int = 0, sum_axes: tuple[int, ...] = (0,), keepdims: int = 0, whole: bool = True
) -> onnx.ModelProto:
    """The sum of an image, its absolute values and its half, stacked; not `whole`: one map comes by another way."""
    nodes = [
        helper.make_node("Abs", ["images"], ["b"]),
        helper.make_node("Mul", ["images", "half"], ["c"]),
    ]
    stored: dict[str, Any] = {"half": np.float32(0.5)}

    def with_axes(op: str, name: str, output: str, axes: tuple[int, ...], **values: Any) -> onnx.NodeProto:
        if opset < 13:
            return helper.make_node(op, [name], [output], output, axes=list(axes), **values)
        stored[f"{output}_axes"] = np.array(axes, np.int64)
        return helper.make_node(op, [name, f"{output}_axes"], [output], output, **values)

    nodes += [with_axes("Unsqueeze", name, f"{name}_five", (axis,)) for name in ("images", "b")]
    if whole:
        nodes.append(with_axes("Unsqueeze", "c", "c_five", (axis,)))
    else:
        stored["five"] = np.array(np.expand_dims(IMAGE, axis).shape, np.int64)
        nodes.append(helper.make_node("Reshape", ["c", "five"], ["c_five"]))
    nodes.append(helper.make_node("Concat", ["images_five", "b_five", "c_five"], ["stack"], axis=axis))
    nodes.append(with_axes("ReduceSum", "stack", "y", sum_axes, keepdims=keepdims))
    graph = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, IMAGE.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("axis", [0, 2])
def test_a_sum_of_a_stack_is_additions(opset: int, axis: int) -> None:
    model = stack_of(opset, axis=axis, sum_axes=(axis,))
    rewritten, names = rewrite_stacked_sums(model)
    assert names == ("y",)
    assert [node.op_type for node in rewritten.graph.node].count("Add") == 2
    assert "ReduceSum" not in {node.op_type for node in rewritten.graph.node}
    (expected,), (actual,) = run_onnx(model, IMAGE).values(), run_onnx(rewritten, IMAGE).values()
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    np.testing.assert_allclose(actual, IMAGE * 1.5 + np.abs(IMAGE), atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"keepdims": 1}, {"sum_axes": (1,)}, {"sum_axes": (0, 1)}, {"whole": False}, {"axis": 1}]
)
def test_other_sums_stay(options: dict[str, Any]) -> None:
    model = stack_of(18, **options)
    assert rewrite_stacked_sums(model) == (model, ())


@pytest.mark.parametrize("axes", [[np.nan], [0.0], [1e300]])
def test_axes_that_are_no_integers_are_none(axes: list[float]) -> None:
    model = stack_of(18)
    for tensor in model.graph.initializer:
        if numpy_helper.to_array(tensor).tolist() == [0]:
            tensor.CopyFrom(numpy_helper.from_array(np.array(axes), tensor.name))
    assert rewrite_stacked_sums(model) == (model, ())

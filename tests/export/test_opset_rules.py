"""Operations of newer opsets in opset 11: the same numbers, one rule at a time; and whole graphs from 11 to 22."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, version_converter

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.export.opset import opset_of, to_opset_11
from tests.stock_rows import LIMITS, differences, noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

IMAGE = np.random.default_rng(0).normal(0, 1, (1, 4, 6, 8)).astype(np.float32)


def one_node(op: str, opset: int, *constants: Any, **attrs: Any) -> onnx.ModelProto:
    """A graph of one node on an image; further inputs are constants, None leaves one out."""
    names = ["" if value is None else f"c{i}" for i, value in enumerate(constants)]
    stored = [numpy_helper.from_array(np.asarray(v), n) for v, n in zip(constants, names, strict=True) if n]
    graph = helper.make_graph(
        [helper.make_node(op, ["images", *names], ["y"], "node", **attrs)],
        "one",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, list(IMAGE.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


FOUR = [np.float32(np.linspace(0.5, 1.5, 4))] * 4
CASES = {
    "mean over axes": one_node("ReduceMean", 18, np.array([2, 3], np.int64), keepdims=1),
    "mean of nothing": one_node("ReduceMean", 18, noop_with_empty_axes=1),
    "mean of all": one_node("ReduceMean", 18, keepdims=1),
    "L2 over channels": one_node("ReduceL2", 18, np.array([1], np.int64), keepdims=1),
    "sum": one_node("ReduceSum", 13, np.array([-1], np.int64), keepdims=0),
    "resize by axes": one_node("Resize", 18, None, np.array([2, 2], np.float32), axes=[2, 3], mode="nearest"),
    "resize to sizes": one_node("Resize", 18, None, None, np.array([1, 4, 9, 7], np.int64), mode="nearest"),
    "resize symmetric": one_node(
        "Resize",
        19,
        None,
        np.array([1, 1, 2, 2], np.float32),
        mode="linear",
        coordinate_transformation_mode="half_pixel_symmetric",
    ),
    "resize antialias": one_node("Resize", 18, None, np.array([1, 1, 2, 2], np.float32), mode="linear", antialias=1),
    "pad by axes": one_node("Pad", 18, np.array([1, 2, 3, 0], np.int64), np.float32(0.5), np.array([2, -1], np.int64)),
    "pad": one_node("Pad", 13, np.array([0, 0, 1, 1, 0, 0, 0, 2], np.int64)),
    "average, ceil": one_node("AveragePool", 22, kernel_shape=[2, 2], strides=[2, 2], dilations=[1, 1], ceil_mode=1),
    "dropout": one_node("Dropout", 13, np.float32(0.5)),
    "normalisation": one_node("BatchNormalization", 15, *FOUR, training_mode=0),
    "clip": one_node("Clip", 13, np.float32(-0.5), np.float32(0.5)),
    "power of an integer": one_node("Pow", 13, np.int64(2)),
    "hard swish": one_node("HardSwish", 14),
    "mish": one_node("Mish", 18),
    "gelu": one_node("Gelu", 20),
    "reshape": one_node("Reshape", 21, np.array([1, 4, -1], np.int64)),
    "cast": one_node("Cast", 19, to=TensorProto.FLOAT, saturate=1),
    "unsqueeze": one_node("Unsqueeze", 21, np.array([0], np.int64)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_operation_gives_the_same_numbers(name: str) -> None:
    model = CASES[name]
    lowered = to_opset_11(model)
    assert opset_of(lowered) == 11
    (expected,), (actual,) = run_onnx(model, IMAGE).values(), run_onnx(lowered, IMAGE).values()
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_numbers_of_a_constant_node_become_a_tensor() -> None:
    model = one_node("Mul", 13, np.float32(1))
    del model.graph.initializer[:]
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c0"], "two", value_float=2.0))
    lowered = to_opset_11(model)
    np.testing.assert_array_equal(run_onnx(lowered, IMAGE)["y"], 2 * IMAGE)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (one_node("AveragePool", 19, kernel_shape=[2, 2], dilations=[2, 2]), "dilations"),
        (one_node("Pad", 19, np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="wrap"), "wrap"),
        (one_node("Resize", 18, None, np.array([1, 1, 0.5, 0.5], np.float32), mode="linear", antialias=1), "antialias"),
        (one_node("BatchNormalization", 15, *FOUR, training_mode=1), "training_mode"),
        (one_node("Dropout", 13, np.float32(0.5), np.bool_(True)), "training mode"),
        (one_node("Gelu", 20, approximate="tanh"), "tanh"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_equal_is_named(model: onnx.ModelProto, why: str) -> None:
    with pytest.raises(ModelError, match=f"'node' has no equal in opset 11: .*{why}"):
        to_opset_11(model)


@pytest.mark.parametrize("opset", [14, 18, 19, 20, 21, 22])
@pytest.mark.parametrize(("family", "task"), [("yolo11", "segment"), ("yolo26", "pose")])
def test_a_converted_export_is_cut_like_the_plain_one(family: str, task: str, opset: int) -> None:
    """The twin is made by onnx's own version converter."""
    plain = tiny_yolo(family=family, task=task, opset=13)
    twin = version_converter.convert_version(plain, opset)
    cut = cut_graph(twin)
    image = noise_image((96, 64))
    found = differences(run_onnx(plain, image), run_onnx(cut.model, image), cut.spec)
    assert all(found[kind] <= LIMITS[kind] for kind in found), found

"""Classifiers: the last matrix product as a convolution, in the spellings of exporters and simplifiers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.export.classify import is_classifier
from edgekit.export.input_options import InputOptions
from edgekit.graph.onnx_graph import index_graph
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

RNG = np.random.default_rng(0)
PLAIN = CutOptions(inputs=InputOptions((0.0,), (255.0,)))
WEIGHT, BIAS = RNG.normal(0, 1, (5, 3)).astype(np.float32), RNG.normal(0, 1, 5).astype(np.float32)


def _classifier(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    pooled = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    graph = helper.make_graph(
        [*pooled, *nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


TURNED = WEIGHT.T.copy()
GEMM = helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1, alpha=0.5, beta=2.0)
PLAIN_GEMM = helper.make_node("Gemm", ["f", "w"], ["y"])
MATMUL = (helper.make_node("MatMul", ["f", "w"], ["m"]), helper.make_node("Add", ["b", "m"], ["y"]))
SPELLINGS = {
    "gemm": _classifier(GEMM, w=WEIGHT, b=BIAS),
    "gemm, not turned, no bias": _classifier(PLAIN_GEMM, w=TURNED),
    "matmul and add": _classifier(*MATMUL, w=TURNED, b=BIAS),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_logits_are_the_models_own(name: str) -> None:
    model = SPELLINGS[name]
    cut = cut_graph(model, PLAIN)
    image = noise_image((32, 32))
    np.testing.assert_allclose(run_onnx(cut.model, image)["class"].ravel(), run_onnx(model, image)["y"][0], atol=1e-5)
    assert cut.spec.preprocess.fit == "crop"
    assert not any(n.op_type in ("Gemm", "MatMul", "Flatten") for n in cut.model.graph.node)


def test_other_outputs_of_rank_2_are_no_classifiers() -> None:
    assert not is_classifier(index_graph(_classifier(helper.make_node("Relu", ["f"], ["y"]))))
    assert not is_classifier(index_graph(tiny_yolo()))


def test_unpooled_features_are_a_convolution_over_the_whole_map() -> None:
    wide = onnx.ModelProto()
    wide.CopyFrom(SPELLINGS["gemm"])
    wide.graph.node[0].CopyFrom(helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[16, 32]))
    weight = RNG.normal(0, 1, (5, 51)).astype(np.float32)
    wide.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    cut = cut_graph(wide, PLAIN)
    image = noise_image((32, 32))
    np.testing.assert_allclose(run_onnx(cut.model, image)["class"].ravel(), run_onnx(wide, image)["y"][0], atol=1e-4)
    assert not any(n.op_type in ("Gemm", "Flatten") for n in cut.model.graph.node)


def test_features_that_no_map_holds_are_refused() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(SPELLINGS["gemm"])
    model.graph.node[1].CopyFrom(helper.make_node("ReduceMax", ["p"], ["f"], axes=[2, 3], keepdims=0))
    with pytest.raises(ModelError, match="no classifier's"):
        cut_graph(model, PLAIN)


def test_several_products_with_activations_between() -> None:
    """As in MobileNetV3 and AlexNet: product, activation, product, softmax."""
    first, second = RNG.normal(0, 1, (4, 3)).astype(np.float32), RNG.normal(0, 1, (4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["f", "w1", "b1"], ["h"], transB=1),
        helper.make_node("HardSigmoid", ["h"], ["g"], alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", ["h", "g"], ["a"]),
        helper.make_node("Dropout", ["a"], ["d"]),
        helper.make_node("MatMul", ["d", "w2"], ["m"]),
        helper.make_node("Add", ["m", "b2"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=1),
    ]
    model = _classifier(*nodes, w1=first, b1=np.ones(4, np.float32), w2=second, b2=BIAS)
    cut = cut_graph(model, PLAIN)
    image = noise_image((32, 32))
    logits = run_onnx(cut.model, image)["class"].ravel()
    shares = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(shares, run_onnx(model, image)["y"][0], atol=1e-5)
    assert not any(n.op_type in ("Gemm", "MatMul", "Flatten", "Softmax") for n in cut.model.graph.node)
    assert "the softmax" in cut.dropped


def test_a_file_that_says_nothing_of_its_pixels_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        cut_graph(SPELLINGS["gemm"])
    assert caught.value.message == (
        "nothing says how the pixels of input 'x' are normalised, expected a mean and a std"
    )
    assert "--normalize imagenet" in caught.value.hint


def test_another_task_in_the_metadata_is_refused() -> None:
    model = tiny_yolo(task="classify")
    next(p for p in model.metadata_props if p.key == "task").value = "detect"
    with pytest.raises(ModelError, match="classifier"):
        cut_graph(model)

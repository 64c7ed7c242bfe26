"""Classifiers: the last matrix product as a convolution, in the spellings of exporters and simplifiers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export import cut_graph
from edgekit.export.classify import is_classifier
from edgekit.graph.onnx_graph import index_graph
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo

RNG = np.random.default_rng(0)
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
    cut = cut_graph(model)
    image = noise_image((32, 32))
    np.testing.assert_allclose(run_onnx(cut.model, image)["class"].ravel(), run_onnx(model, image)["y"][0], atol=1e-5)
    assert cut.spec.preprocess.fit == "crop"
    assert not any(n.op_type in ("Gemm", "MatMul", "Flatten") for n in cut.model.graph.node)


def test_other_outputs_of_rank_2_are_no_classifiers() -> None:
    assert not is_classifier(index_graph(_classifier(helper.make_node("Relu", ["f"], ["y"]))))
    assert not is_classifier(index_graph(tiny_yolo()))


def test_unpooled_features_are_refused() -> None:
    model = SPELLINGS["gemm"]
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    wide.graph.node[0].CopyFrom(helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[16, 32]))
    wide.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((5, 51), np.float32), "w"))
    with pytest.raises(ModelError, match="expected pooled ones"):
        cut_graph(wide)


def test_another_task_in_the_metadata_is_refused() -> None:
    model = tiny_yolo(task="classify")
    next(p for p in model.metadata_props if p.key == "task").value = "detect"
    with pytest.raises(ModelError, match="classifier"):
        cut_graph(model)

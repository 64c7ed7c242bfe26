from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.graph.model_size import ModelSize, model_size
from edgekit.graph.onnx_graph import load_model


def weights(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def model_of(
    nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], shape: list[int | str]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def test_a_convolution_by_hand() -> None:
    """3x3, 3 to 16 channels, stride 2 on 32x32: 16*16*16 outputs of 27 products; 432 weights and 16 biases."""
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    size = model_size(model_of([conv], [weights("w", 16, 3, 3, 3), weights("b", 16)], [1, 3, 32, 32]))
    assert size == ModelSize(1, 448, 2 * 16 * 16 * 16 * 27 / 1e9)


def test_groups_and_transposed_convolutions_by_hand() -> None:
    depthwise = helper.make_node("Conv", ["x", "w"], ["y"], group=8, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    up = helper.make_node("ConvTranspose", ["y", "v"], ["z"], kernel_shape=[2, 2], strides=[2, 2])
    size = model_size(model_of([depthwise, up], [weights("w", 8, 1, 3, 3), weights("v", 8, 4, 2, 2)], [1, 8, 10, 10]))
    assert size.gflops == pytest.approx(2 * (8 * 100 * 9 + 8 * 100 * 4 * 4) / 1e9)
    assert (size.layers, size.parameters) == (2, 72 + 128)


def test_matrix_products_count_and_only_weights_are_parameters() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1),
        helper.make_node("Transpose", ["y"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["y", "t"], ["z"]),  # of two activations, as in attention
        helper.make_node("Mul", ["z", "s"], ["out"]),
    ]
    size = model_size(model_of(nodes, [weights("w", 5, 7), weights("b", 5), weights("s")], [4, 7]))
    assert (size.layers, size.parameters) == (1, 40)
    assert size.gflops == pytest.approx(2 * (4 * 5 * 7 + 4 * 4 * 5) / 4 / 1e9)  # per image of a batch of four


def test_weights_of_q_dq_graphs_and_constants_are_counted_once() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w8", "s"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["y", "w"], ["z"], kernel_shape=[1, 1]),
    ]
    quantized = numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.int8), "w8")
    assert model_size(model_of(nodes, [quantized, weights("s")], [1, 3, 2, 2])) == ModelSize(2, 9, 2 * 2 * 36 / 1e9)


def test_open_shapes_leave_the_arithmetic_open() -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])
    size = model_size(model_of([conv], [weights("w", 16, 3, 1, 1)], [1, 3, "height", "width"]))
    assert size == ModelSize(1, 48, None) and "GFLOPs" not in size.words()


def test_words() -> None:
    assert ModelSize(64, 3151904, 8.744).words() == "64 layers with weights, 3.15 M parameters, 8.7 GFLOPs"
    assert ModelSize(1, 448, 0.00022).words() == "1 layer with weights, 448 parameters, 0.00022 GFLOPs"


def test_a_published_figure(shared_data: Path) -> None:
    """Ultralytics publishes YOLO11n with 2.6 M parameters and 6.5 GFLOPs at 640."""
    size = model_size(load_model(shared_data / "models" / "trained" / "yolo11n.onnx"))
    assert round(size.parameters / 1e6, 1) == 2.6 and size.gflops == pytest.approx(6.5, abs=0.05)

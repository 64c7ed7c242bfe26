"""What ordinary CNNs bring along: gates of channels, hard functions, paddings, bilinear resizes, shuffles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.graph.float_graph import read_float_graph
from edgekit.graph.pipeline import simplify
from tests.sim.compiler.graphs import FloatModel, compare

Build = Callable[[FloatModel], None]


def _features(m: FloatModel, channels: int = 4) -> str:
    return m.swish(m.conv("images", 3, channels, k=3))


def channel_gate(m: FloatModel) -> None:
    """Squeeze and excitation: the map times a number per channel."""
    x = _features(m)
    hidden = m.node("Relu", [m.conv(m.node("GlobalAveragePool", [x]), 4, 2)])
    m.head(m.node("Mul", [m.node("Sigmoid", [m.conv(hidden, 2, 4)]), x]))


def pixel_gate(m: FloatModel) -> None:
    x = _features(m)
    m.head(m.node("Mul", [x, m.node("Sigmoid", [m.conv(x, 4, 1)])]))


def hard_swish(m: FloatModel) -> None:
    x = m.conv("images", 3, 4)
    m.head(m.node("Mul", [x, m.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)]))


def hard_sigmoid_in_steps(m: FloatModel) -> None:
    """relu6(x + 3) / 6, as PyTorch writes it where ONNX has no such operator."""
    bounds = [m.constant(np.float32(v)) for v in (0, 6)]
    shifted = m.node("Add", [m.conv("images", 3, 4), m.constant(np.float32(3))])
    m.head(m.node("Div", [m.node("Clip", [shifted, *bounds]), m.constant(np.float32(6))]))


def leaky_relu(m: FloatModel) -> None:
    m.head(m.node("LeakyRelu", [m.conv("images", 3, 4)], alpha=0.1))


def _resize(m: FloatModel, mode: str, scale: float) -> None:
    factors = m.constant(np.array([1, 1, scale, scale], np.float32))
    roi = m.constant(np.zeros(0, np.float32))
    attrs: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": mode}
    m.head(m.node("Resize", [_features(m), roi, factors], **attrs))


def pad_before_conv(m: FloatModel) -> None:
    pads = m.constant(np.array([0, 0, 0, 1, 0, 0, 2, 1], np.int64))
    m.head(m.swish(m.conv(m.node("Pad", [_features(m), pads], "border"), 4, 4, k=3, pads=[1] * 4)))


def pad_before_max_pool(m: FloatModel) -> None:
    """YOLOv3-tiny's last pool: zeros win over the negative values at the border."""
    x = m.node("Sub", [_features(m), m.constant(np.float32(2))])
    padded = m.node("Pad", [x, m.constant(np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))])
    m.head(m.node("MaxPool", [padded], kernel_shape=[2, 2], strides=[1, 1]))


def lowest_before_max_pool(m: FloatModel) -> None:
    x = m.node("Sub", [_features(m), m.constant(np.float32(2))])
    sides = m.constant(np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
    padded = m.node("Pad", [x, sides, m.constant(np.float32(-3e38))])
    m.head(m.node("MaxPool", [padded], kernel_shape=[2, 2], strides=[1, 1]))


def same_padding(m: FloatModel) -> None:
    """TensorFlow's: as much as the output needs, the odd pixel at the end."""
    weight = m.constant(m.rng.normal(0, 0.4, (4, 4, 3, 3)).astype(np.float32))
    x = m.node("Conv", [_features(m), weight], auto_pad="SAME_UPPER", strides=[2, 2])
    m.head(m.node("MaxPool", [m.swish(x)], kernel_shape=[2, 2], auto_pad="SAME_LOWER"))


def average_with_even_ceiling(m: FloatModel) -> None:
    x = _features(m)
    m.head(m.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=0))


def channel_shuffle(m: FloatModel) -> None:
    x = m.node("Reshape", [_features(m), m.constant(np.array([1, 2, 2, 8, 12], np.int64))])
    turned = m.node("Transpose", [x], perm=[0, 2, 1, 3, 4])
    m.head(m.conv(m.node("Reshape", [turned, m.constant(np.array([1, 4, 8, 12], np.int64))]), 4, 4))


CASES: dict[str, tuple[Build, str, float]] = {
    "gate of channels": (channel_gate, "HzSElementwiseMul", 4.0),
    "gate of pixels": (pixel_gate, "HzSElementwiseMul", 4.0),
    "hard swish": (hard_swish, "HzLut", 4.0),
    "hard sigmoid in steps": (hard_sigmoid_in_steps, "HzSQuantizedConv", 4.0),
    "leaky relu": (leaky_relu, "HzLut", 4.0),
    "bilinear, pixel centres": (lambda m: _resize(m, "half_pixel", 2.0), "HzQuantizedRoiResize", 4.0),
    "bilinear, PyTorch": (lambda m: _resize(m, "pytorch_half_pixel", 1.5), "HzQuantizedRoiResize", 4.0),
    "bilinear, corners": (lambda m: _resize(m, "align_corners", 2.0), "HzQuantizedRoiResize", 4.0),
    "bilinear, origin": (lambda m: _resize(m, "asymmetric", 2.0), "HzQuantizedRoiResize", 4.0),
    "pad before a convolution": (pad_before_conv, "HzSQuantizedConv", 5.0),
    "pad before a pool": (pad_before_max_pool, "HzQuantizedMaxPool", 4.0),
    "lowest pad before a pool": (lowest_before_max_pool, "HzQuantizedMaxPool", 4.0),
    "same padding": (same_padding, "HzQuantizedMaxPool", 4.0),
    "average pool with ceiling": (average_with_even_ceiling, "HzSQuantizedConv", 4.0),
    "channel shuffle": (channel_shuffle, "Transpose", 40.0),
}


@pytest.mark.parametrize(("build", "op", "allowed"), CASES.values(), ids=CASES)
def test_within_a_few_steps_of_the_float_model(tmp_path: Path, build: Build, op: str, allowed: float) -> None:
    result = compare(tmp_path / "m.onnx", build)
    assert op in result.ops
    assert result.truth["output_0"].shape == result.found["output_0"].shape
    if result.step["output_0"] == 0:  # an accumulator: no steps of 8 bits
        error = np.abs(result.truth["output_0"] - result.found["output_0"]).max()
        assert error < 0.03 * np.abs(result.truth["output_0"]).max()
    else:
        assert 0 < result.steps_off() <= allowed


def _ops(tmp_path: Path, build: Build) -> list[str]:
    model = FloatModel()
    build(model)
    return [node.op for node in simplify(read_float_graph(model.save(tmp_path / "m.onnx"))).nodes]


def test_a_hard_swish_is_one_table_and_a_pad_is_none_of_its_own(tmp_path: Path) -> None:
    assert _ops(tmp_path, hard_swish) == ["Conv", "Table"]
    assert _ops(tmp_path, pad_before_conv) == ["Conv", "Table", "Conv", "Table"]
    assert "Conv" in _ops(tmp_path, pad_before_max_pool)[2:]  # zeros that count need an operation
    assert _ops(tmp_path, lowest_before_max_pool)[-1] == "MaxPool"


@pytest.mark.parametrize(
    ("attrs", "value", "words"),
    [
        ({"mode": "reflect"}, 0.0, "'edge'.*pads by 'reflect'"),
        ({}, 1.0, "'edge'.*pads with 1"),
    ],
)
def test_other_paddings_are_refused_by_name(tmp_path: Path, attrs: dict[str, Any], value: float, words: str) -> None:
    def build(m: FloatModel) -> None:
        inputs = [_features(m), m.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), m.constant(np.float32(value))]
        m.head(m.conv(m.node("Pad", inputs, "edge", **attrs), 4, 4))

    with pytest.raises(ModelError, match=words) as caught:
        compare(tmp_path / "m.onnx", build)
    assert caught.value.hint


def test_gates_of_other_shapes_are_refused(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        rows = m.node("ReduceMax", [_features(m)], axes=[3], keepdims=1)
        m.head(m.node("Mul", [rows, m.node("ReduceMax", [_features(m)], axes=[2], keepdims=1)], "outer"))

    with pytest.raises(ModelError):
        compare(tmp_path / "m.onnx", build)

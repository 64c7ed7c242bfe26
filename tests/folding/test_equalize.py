"""Equalization: the same function, channels nearer to each other, and hands off where it is not exact."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.errors import ConfigError
from edgekit.export import cut_file
from edgekit.folding.equalize import FACTOR_LIMIT, equalize
from edgekit.graph.onnx_graph import index_graph
from tests.folding.graphs import (
    Build,
    assert_names_kept,
    assert_same_function,
    built,
    convolution_of,
    image,
    run,
    spread_channels,
)
from tests.sim.compiler.graphs import FloatModel
from tests.tiny_yolo import save_tiny_yolo


def relu_net(m: FloatModel) -> None:
    x = m.node("Relu", [m.conv("images", 3, 6, k=3, name="a")])
    x = m.node("MaxPool", [m.conv(x, 6, 8, k=3, name="b")], kernel_shape=[2, 2], strides=[2, 2])
    m.head(m.conv(m.node("LeakyRelu", [x], alpha=0.1), 8, 4, name="c"))


def depthwise_net(m: FloatModel) -> None:
    x = m.node("Relu", [m.conv("images", 3, 6, name="a")])
    x = m.node("Relu", [m.conv(x, 6, 6, k=3, group=6, name="b")])
    x = m.conv(x, 6, 12, k=3, group=6, name="multiplied")  # two outputs per input
    m.head(m.conv(m.conv(x, 12, 8, group=2, name="grouped"), 8, 4, name="c"))


def branching_net(m: FloatModel) -> None:
    a = m.node("Relu", [m.conv("images", 3, 4, k=3, name="a")])
    residual = m.node("Add", [a, m.conv(a, 4, 4, name="b")])
    slope = m.constant(np.linspace(-0.2, 0.3, 4, dtype=np.float32).reshape(4, 1, 1))
    scales = m.constant(np.array([1, 1, 2, 2], np.float32))
    up = m.node("Resize", [residual, m.constant(np.zeros(0, np.float32)), scales], mode="nearest")
    down = m.node("AveragePool", [m.node("PRelu", [up, slope])], kernel_shape=[2, 2], strides=[2, 2])
    joined = m.node("Concat", [down, a], axis=1)
    parts = m.node("Split", [joined], count=2, axis=1, split=[5, 3])
    m.head(m.conv(parts[0], 5, 3, name="c"))
    m.head(m.conv(parts[1], 3, 3, name="d"))
    m.head(m.conv(m.node("GlobalAveragePool", [a]), 4, 2, name="e"))


def transposed_net(m: FloatModel) -> None:
    for group in (1, 2):
        weight = m.constant(m.rng.normal(0, 0.5, (4, 6 // group, 2, 2)).astype(np.float32))
        x = m.node("Relu", [m.conv("images", 3, 4)])
        up = m.node("ConvTranspose", [x, weight], f"up{group}", kernel_shape=[2, 2], strides=[2, 2], group=group)
        m.head(m.conv(up, 6, 3))


NETS = (relu_net, depthwise_net, branching_net, transposed_net)


@pytest.mark.parametrize("build", NETS)
@pytest.mark.parametrize("measured", [False, True])
def test_the_function_and_the_names_stay(tmp_path: Path, build: Build, measured: bool) -> None:
    model = built(tmp_path, build)
    before = model.SerializeToString()
    inner = [o for n in model.graph.node if n.op_type != "Transpose" for o in n.output]
    values = run(model, image(), inner)
    ranges = {n: np.abs(values[n]).max(axis=(0, 2, 3)) for n in inner}
    after, found = equalize(model, ranges if measured else None)
    assert found and all(e.largest_factor > 1 for e in found)
    assert model.SerializeToString() == before
    assert_names_kept(model, after)
    for seed in (1, 2):
        assert_same_function(model, after, image(seed))


def test_weight_ranges_meet_in_the_middle(tmp_path: Path) -> None:
    model = built(tmp_path, relu_net)
    after, found = equalize(model)
    assert [e.tensor for e in found] == ["a_out0", "b_out0"]
    for made, read in (("a_out0", "b_out0"), ("b_out0", "c_out0")):
        r1 = np.abs(convolution_of(after, made)[0]).max(axis=(1, 2, 3))
        r2 = np.abs(convolution_of(after, read)[0]).max(axis=(0, 2, 3))
        assert np.allclose(r1, r2, rtol=1e-2)


def test_a_single_pair_is_equation_11(tmp_path: Path) -> None:
    model = built(tmp_path, lambda m: m.head(m.conv(m.conv("images", 3, 4, name="a"), 4, 2, name="b")))
    after, (found,) = equalize(model)
    r1 = np.abs(convolution_of(model, "a_out0")[0]).max(axis=(1, 2, 3))
    r2 = np.abs(convolution_of(model, "b_out0")[0]).max(axis=(0, 2, 3))
    s = np.sqrt(r1 * r2) / r2
    (w1, b1, _), (old, bias, _) = convolution_of(after, "a_out0"), convolution_of(model, "a_out0")
    assert b1 is not None and bias is not None
    assert np.allclose(w1, old / s[:, None, None, None], rtol=1e-3) and np.allclose(b1, bias / s, rtol=1e-3)
    assert found.largest_factor == pytest.approx(max(s.max(), 1 / s.min()), rel=1e-3)


def test_measured_channels_become_equally_wide(tmp_path: Path) -> None:
    model = built(tmp_path, relu_net)
    names = ["a_out0", "b_out0"]
    before = {n: np.abs(run(model, image(), names)[n]).max(axis=(0, 2, 3)) for n in names}
    after, _ = equalize(model, before)
    for name in names:
        widths = np.abs(run(after, image(), names)[name]).max(axis=(0, 2, 3))
        assert before[name].max() / before[name].min() > 1.5
        assert np.allclose(widths, before[name].max(), rtol=5e-3)


def test_a_channel_is_widened_to_its_fixed_neighbours(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        fixed = m.node("Sigmoid", [m.conv("images", 3, 2)])
        joined = m.node("Concat", [m.conv("images", 3, 2, name="a"), fixed], "cat", axis=1)
        m.head(m.conv(joined, 4, 2))

    model = built(tmp_path, build)
    after, (found,) = equalize(model, {"cat_out0": np.array([2.0, 0.5, 4.0, 1.0])})
    assert found.tensor == "a_out0" and found.largest_factor == pytest.approx(8.0)
    old, new = run(model, image(), ["cat_out0"])["cat_out0"], run(after, image(), ["cat_out0"])["cat_out0"]
    assert np.allclose(new, old * np.array([2, 8, 1, 1]).reshape(1, 4, 1, 1), rtol=1e-4, atol=1e-6)


def test_unmeasured_tensors_stay_and_factors_are_bounded(tmp_path: Path) -> None:
    model = built(tmp_path, relu_net)
    _, found = equalize(model, {"a_out0": np.array([1e-6, 0.0, 1, 1, 1, 1])})
    assert [equalized.tensor for equalized in found] == ["a_out0"]
    assert found[0].largest_factor == pytest.approx(FACTOR_LIMIT)


def test_dead_channels_are_left_alone(tmp_path: Path) -> None:
    model = built(tmp_path, relu_net)
    weight, _, _ = convolution_of(model, "a_out0")
    dead = weight.copy()
    dead[2] = 0
    name = index_graph(model).producers["a_out0"].input[1]
    for initializer in model.graph.initializer:
        if initializer.name == name:
            initializer.CopyFrom(numpy_helper.from_array(dead, name))
    after, _ = equalize(model)
    assert np.all(np.isfinite(convolution_of(after, "b_out0")[0]))
    assert_same_function(model, after, image())


def test_shared_weights_are_copied(tmp_path: Path) -> None:
    def build(m: FloatModel) -> None:
        weight = m.constant(m.rng.normal(0, 0.5, (3, 3, 1, 1)).astype(np.float32), "shared")
        x = m.node("Conv", ["images", weight], "first", kernel_shape=[1, 1])
        x = m.node("Conv", [m.node("Relu", [x]), weight], "second", kernel_shape=[1, 1])
        m.head(x)

    model = built(tmp_path, build)
    after, found = equalize(model)
    assert len(found) == 1
    assert_names_kept(model, after)
    assert_same_function(model, after, image())


def test_of_yolov8_seg_the_mask_upsampling(tmp_path: Path) -> None:
    stock = save_tiny_yolo(tmp_path / "stock.onnx", family="yolov8", task="segment")
    cut = cut_file(stock, tmp_path / "heads.onnx").model
    up = "/model.22/proto/upsample/ConvTranspose_output_0"
    spread_channels(cut, up)
    x = image(shape=(1, 3, 64, 96))
    after, found = equalize(cut)
    assert [e.tensor for e in found] == [up]
    assert_same_function(cut, after, x)
    width = np.abs(run(cut, x, [up])[up]).max(axis=(0, 2, 3))
    after, found = equalize(cut, {up: width})
    assert [e.tensor for e in found] == [up]
    assert_same_function(cut, after, x)
    assert np.ptp(np.abs(run(after, x, [up])[up]).max(axis=(0, 2, 3))) < 0.01 * width.max()


def swish_net(m: FloatModel) -> None:
    m.head(m.conv(m.swish(m.conv("images", 3, 4)), 4, 2))


def extra_reader(m: FloatModel) -> None:
    x = m.node("Relu", [m.conv("images", 3, 4)])
    m.head(m.conv(x, 4, 2))
    m.head(m.node("Sigmoid", [x]))


def graph_output(m: FloatModel) -> None:
    x = m.node("Relu", [m.conv("images", 3, 4)])
    m.head(m.conv(x, 4, 2))
    m.outputs.append(x)


def clipped(m: FloatModel) -> None:
    bounds = [m.constant(np.float32(v)) for v in (0, 6)]
    m.head(m.conv(m.node("Clip", [m.conv("images", 3, 4), *bounds]), 4, 2))


@pytest.mark.parametrize("build", [swish_net, extra_reader, graph_output, clipped])
def test_hands_off(tmp_path: Path, build: Build) -> None:
    model = built(tmp_path, build)
    for ranges in (None, {"conv_0_out0": np.arange(1.0, 5.0)}):
        after, found = equalize(model, ranges)
        assert found == () and after == model


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({"nowhere": np.ones(3)}, "no such tensor"),
        ({"a_out0": np.ones(5)}, r"shape \(5,\), expected \(6,\)"),
        ({"a_out0": np.array([1, 1, 1, 1, 1, np.nan])}, "not finite"),
        ({"a_out0": np.array([1, 1, 1, 1, 1, -1])}, "negative"),
    ],
)
def test_bad_ranges_are_named(tmp_path: Path, ranges: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        equalize(built(tmp_path, relu_net), ranges)
    assert caught.value.hint


def test_a_model_without_pairs_comes_back_equal() -> None:
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    assert equalize(empty) == (empty, ())

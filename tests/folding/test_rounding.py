"""Rounding with error compensation: against a plain reference, in a compiled graph, on inputs that hardly vary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.job import load_job
from edgekit.folding import rounding
from edgekit.folding.convolution import read_convolution
from edgekit.folding.rounding import DAMPING, LEAST_VARIANCE, rounded_model, rounded_weight
from edgekit.graph.float_graph import FloatNode
from edgekit.graph.onnx_graph import index_graph
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.calibration.search import thresholds_by
from edgekit.sim.compiler.calibration.thresholds import max_threshold
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model
from tests.folding.graphs import assert_names_kept, run
from tests.learn.conftest import write_images
from tests.tiny_yolo import save_tiny_yolo

WINDOWS = [  # weight's shape, group, attributes of a convolution
    ((4, 3, 3, 3), 1, {"pads": [1, 1, 1, 1]}),
    ((4, 3, 3, 2), 1, {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
    ((6, 1, 3, 3), 6, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
    ((4, 2, 1, 1), 2, {"strides": [2, 2]}),
]


def steps_of(weight: np.ndarray) -> np.ndarray:
    """(outputs, 1): what an integer of each row stands for."""
    return np.abs(weight).max(axis=1, keepdims=True) / 127


def one_by_one(weight: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The reference: after each input the inverse of the rest's covariance is made anew."""
    count = len(covariance)
    damped = covariance + np.eye(count) * (DAMPING * np.diag(covariance).mean() + LEAST_VARIANCE)
    left, step, peaks = weight.copy(), steps_of(weight)[:, 0], np.abs(weight).argmax(axis=1)
    rest = list(np.argsort(-np.diag(covariance), kind="stable"))
    result = np.zeros_like(weight)
    while rest:
        first, inverse = rest[0], np.linalg.inv(damped[np.ix_(rest, rest)])
        integers = np.clip(np.rint(left[:, first] / step), -127, 127)
        integers = np.where(peaks == first, 127 * np.sign(weight[:, first]), integers)
        result[:, first] = integers * step
        error = (left[:, first] - result[:, first]) / inverse[0, 0]
        left[:, rest] -= error[:, None] * inverse[0]
        rest = rest[1:]
    return result


def material(inputs: int, outputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, the covariance of inputs that go together, and samples of the same kind."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(inputs, max(inputs // 3, 1)))
    samples = rng.normal(size=(4000, mixing.shape[1])) @ mixing.T + 0.1 * rng.normal(size=(4000, inputs))
    return rng.normal(size=(outputs, inputs)), np.cov(samples[:2000].T, bias=True).reshape(inputs, inputs), samples


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (9, 5), (40, 7)])
def test_it_is_the_plain_algorithm(inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, covariance, _ = material(inputs, outputs)
    monkeypatch.setattr(rounding, "BLOCK", 8)  # smaller than the inputs, and no divisor of them
    assert np.allclose(rounded_weight(weight, covariance), one_by_one(weight, covariance), atol=1e-9)


def test_every_row_stays_on_its_grid_and_keeps_its_largest_weight() -> None:
    weight, covariance, _ = material(30, 20)
    rounded = rounded_weight(weight, covariance)
    integers = rounded / steps_of(weight)
    assert np.allclose(integers, np.rint(integers), atol=1e-9) and np.abs(integers).max() < 127.001
    assert np.allclose(steps_of(rounded), steps_of(weight), rtol=1e-12)
    rows, peaks = np.arange(len(weight)), np.abs(weight).argmax(axis=1)
    assert np.allclose(rounded[rows, peaks], weight[rows, peaks], rtol=1e-12)


def test_the_error_on_other_samples_is_far_below_that_of_rounding_to_the_nearest() -> None:
    weight, covariance, samples = material(60, 20)
    step = steps_of(weight)
    errors = [
        float(np.mean(((one - weight) @ samples[2000:].T) ** 2))
        for one in (rounded_weight(weight, covariance), np.rint(weight / step) * step)
    ]
    assert errors[0] < 0.3 * errors[1]


@pytest.mark.parametrize("covariance", [np.zeros((6, 6)), np.ones((6, 6)), np.eye(6)])
def test_constant_equal_and_independent_inputs_are_rounded_too(covariance: np.ndarray) -> None:
    weight = np.random.default_rng(3).normal(size=(4, 6))
    rounded = rounded_weight(weight, covariance)
    assert np.isfinite(rounded).all() and np.allclose(rounded_weight(np.zeros((2, 6)), covariance), 0)
    if covariance.trace() != 6 or covariance[0, 1] == 0:  # nothing makes up for anything: to the nearest
        assert np.allclose(rounded, np.rint(weight / steps_of(weight)) * steps_of(weight))


@pytest.mark.parametrize(("shape", "group", "attrs"), WINDOWS)
def test_patches_are_what_the_convolution_multiplies(
    shape: tuple[int, ...], group: int, attrs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "PATCHES", 10_000)  # all places
    rng = np.random.default_rng(0)
    weight = rng.normal(size=shape).astype(np.float32)
    x = rng.normal(size=(1, shape[1] * group, 12, 10)).astype(np.float32)
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv", group=group, **attrs)
    values = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in (("x", x.shape), ("y", None))
    ]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [numpy_helper.from_array(weight, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    convolution = read_convolution(index_graph(model), model.graph.node[0])
    assert convolution is not None
    floats = FloatNode("conv", "Conv", ("x", "w"), ("y",), {"group": group, **attrs})
    patches = rounding._Inputs(convolution, floats)._cut(x)
    products = np.einsum("gni,goi->gon", patches, weight.reshape(group, -1, patches.shape[2]))
    truth = run(model, x)["y"][0].reshape(shape[0], -1)
    assert np.allclose(np.sort(products.reshape(shape[0], -1)), np.sort(truth), atol=1e-4)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    folder = tmp_path_factory.mktemp("rounding")
    save_tiny_yolo(folder / "tiny.onnx", family="yolo11", num_classes=3, size_wh=(96, 64))
    write_images(folder / "images", 8)
    result = calibrate(folder / "tiny.onnx", folder / "images", folder / "work", num=8, input_kind="rgb")
    return prepare_model(load_job(result.yaml_path))


def integers_of(model: PreparedModel, path: Path) -> dict[str, np.ndarray]:
    """Convolution -> its weights in the compiled graph."""
    built = prepare_model(replace(model.job, onnx_path=path))
    largest = thresholds_by(max_threshold, observe(built.job, built.graph, built.plan.observed), built.plan)
    graph = built.quantized(largest).model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    return {n.name: constants[n.input[1]] for n in graph.node if n.op_type == "HzSQuantizedConv"}


def test_the_compiler_finds_the_same_integers(prepared: PreparedModel, tmp_path: Path) -> None:
    model, count = rounded_model(prepared)
    assert count > 10
    onnx.save(model, str(tmp_path / "rounded.onnx"))
    before = onnx.load(prepared.job.onnx_path)
    assert_names_kept(before, model)
    index, compiled = index_graph(model), integers_of(prepared, tmp_path / "rounded.onnx")
    compared = 0
    for node in model.graph.node:
        convolution = read_convolution(index, node)
        if convolution is None or convolution.transposed or node.name not in compiled:
            continue
        rows = convolution.weight.reshape(len(convolution.weight), -1).astype(np.float64)
        integers = rows / np.maximum(steps_of(rows), 1e-30)
        if np.abs(integers - np.rint(integers)).max() < 1e-3:  # as written, not folded into something
            found = compiled[node.name].transpose(0, 3, 1, 2).reshape(rows.shape)
            assert np.array_equal(found, np.rint(integers)), node.name
            compared += 1
    assert compared == count


def test_the_outputs_are_nearer_to_the_float_models(prepared: PreparedModel, tmp_path: Path) -> None:
    model, _ = rounded_model(prepared)
    truth, nearest = onnx.load(prepared.job.onnx_path), onnx.load(prepared.job.onnx_path)
    index = index_graph(nearest)
    rounded = {n.input[1] for n in nearest.graph.node if (c := read_convolution(index, n)) and not c.transposed}
    for tensor in nearest.graph.initializer:
        if tensor.name in rounded:
            values = numpy_helper.to_array(tensor)
            step = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 127
            tensor.CopyFrom(numpy_helper.from_array((np.rint(values / step) * step).astype(np.float32), tensor.name))
    x = np.random.default_rng(7).random((1, 3, 8, 12), np.float32).repeat(8, axis=2).repeat(8, axis=3)
    outputs = [run(one, x) for one in (truth, model, nearest)]
    errors = [
        sum(float(np.mean((one[name] - outputs[0][name]) ** 2)) / float(outputs[0][name].var()) for name in one)
        for one in outputs[1:]
    ]
    assert errors[0] < 0.7 * errors[1]


def test_portions_of_any_size_give_the_same(prepared: PreparedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = rounded_model(prepared)
    monkeypatch.setattr(rounding, "PORTION_BYTES", 1)
    stages: list[str] = []
    parts, _ = rounded_model(prepared, progress=lambda stage, done, total: stages.append(stage))
    assert parts == whole and {"inputs of convolutions", "rounding weights"} <= set(stages)


def test_what_is_too_large_or_overflows_stays(prepared: PreparedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(prepared.job.onnx_path).graph.initializer}
    monkeypatch.setattr(rounding, "MOST_INPUTS", 0)
    assert rounded_model(prepared)[1] == 0
    monkeypatch.undo()
    cut = rounding._Inputs._cut
    monkeypatch.setattr(rounding._Inputs, "_cut", lambda inputs, x: cut(inputs, x) * np.float32(np.inf))
    with np.errstate(invalid="ignore"):
        model, count = rounded_model(prepared)
    after = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert count > 10 and all(np.array_equal(values, after[name]) for name, values in before.items())


@pytest.mark.parametrize("level", [0.0, 200.0, 1e6, -3e4])
def test_inputs_that_hardly_vary_are_no_trouble(prepared: PreparedModel, level: float) -> None:
    """A product of such inputs is their level's square to the last digit: only deviations tell them apart."""
    roundable = rounding._roundable(onnx.load(prepared.job.onnx_path), prepared.graph)
    inputs = next(one for one in roundable if one.count == one.convolution.in_channels)  # 1 x 1, one group
    rng = np.random.default_rng(0)
    for _ in range(3):
        inputs.observe((level + 1e-3 * rng.normal(size=(1, inputs.count, 20, 20))).astype(np.float32))
    weight, bias = inputs.rounded()
    before = inputs.convolution
    was = np.zeros(len(bias)) if before.bias is None else before.bias.astype(np.float64)
    shift = (weight.astype(np.float64) - before.weight).sum(axis=(1, 2, 3)) * level
    assert np.isfinite(weight).all() and np.abs(weight - before.weight).max() < np.abs(before.weight).max()
    assert np.allclose(bias, was - shift, rtol=1e-4, atol=1e-3)  # the mean of the output stays


def test_weights_that_are_not_finite_are_left_alone(prepared: PreparedModel) -> None:
    model = onnx.load(prepared.job.onnx_path)
    first = rounding._roundable(model, prepared.graph)[0].node
    constants = dict(prepared.graph.constants)
    weight = constants[first.inputs[1]].copy()
    weight.flat[0] = np.inf
    for tensor in model.graph.initializer:
        if tensor.name == first.inputs[1]:
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    graph = replace(prepared.graph, constants={**constants, first.inputs[1]: weight})
    names = [inputs.node.name for inputs in rounding._roundable(model, graph)]
    assert names and first.name not in names

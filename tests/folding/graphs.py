"""Tiny float graphs with uneven channels, and what onnxruntime computes on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from edgekit.graph.onnx_graph import attributes, graph_inputs, index_graph, open_session
from tests.sim.compiler.graphs import HEIGHT, WIDTH, FloatModel

Build = Callable[[FloatModel], None]


def built(folder: Path, build: Build, *, seed: int = 0) -> onnx.ModelProto:
    """The graph that `build` makes, the first convolution's output channels up to 20 times apart."""
    model = FloatModel(seed)
    build(model)
    result = onnx.load(str(model.save(folder / "tiny.onnx")))
    spread_channels(result, next(n.output[0] for n in result.graph.node if n.op_type in ("Conv", "ConvTranspose")))
    return result


def spread_channels(model: onnx.ModelProto, tensor: str) -> None:
    """Makes a convolution's output channels uneven in place (tests own their models)."""
    index = index_graph(model)
    node = index.producers[tensor]
    transposed = node.op_type == "ConvTranspose"
    weight = index.constants[node.input[1]]
    factors = np.geomspace(0.3, 6.0, weight.shape[1 if transposed else 0]).astype(np.float32)
    weight = weight * (factors[None, :, None, None] if transposed else factors[:, None, None, None])
    for initializer in model.graph.initializer:
        if initializer.name == node.input[1]:
            initializer.CopyFrom(onnx.numpy_helper.from_array(weight, initializer.name))


def image(seed: int = 1, shape: tuple[int, ...] = (1, 3, HEIGHT, WIDTH)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 1.0, shape).astype(np.float32)


def run(model: onnx.ModelProto, x: np.ndarray, extra: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The graph's outputs, and inner tensors by name."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    known = {o.name for o in model.graph.output}
    wanted = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in extra if n not in known]
    probe.graph.output.extend(wanted)
    return open_session(probe)({graph_inputs(model)[0].name: x})


def assert_same_function(one: onnx.ModelProto, other: onnx.ModelProto, x: np.ndarray) -> None:
    onnx.checker.check_model(other)
    truth, found = run(one, x), run(other, x)
    assert truth.keys() == found.keys()
    for name, value in truth.items():
        assert np.abs(found[name] - value).max() <= 1e-4 * max(float(np.abs(value).max()), 1e-6), name


def assert_names_kept(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    def names(model: onnx.ModelProto) -> set[str]:
        graph = model.graph
        made = {o for n in graph.node for o in n.output} | {n.name for n in graph.node}
        return made | {v.name for values in (graph.initializer, graph.input, graph.output) for v in values}

    assert names(before) <= names(after)
    assert list(before.graph.output) == list(after.graph.output)


def convolution_of(model: onnx.ModelProto, tensor: str) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Weight, bias and group of the convolution that makes `tensor`."""
    index = index_graph(model)
    node = index.producers[tensor]
    bias = index.constants[node.input[2]] if len(node.input) > 2 else None
    return index.constants[node.input[1]], bias, attributes(node).get("group", 1)

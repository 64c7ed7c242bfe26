"""Graphs whose outputs stay arrays, and how a CNN that is no YOLO says how it takes its images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ConfigError, EdgekitError, ModelError
from edgekit.export import CutOptions, cut_graph
from edgekit.export.input_options import NORMALIZATIONS, InputOptions
from tests.stock_rows import noise_image, run_onnx

IMAGENET = InputOptions(*NORMALIZATIONS["imagenet"], fit="crop", crop_fraction=0.875)
RAW = CutOptions(task="raw", inputs=IMAGENET)
RNG = np.random.default_rng(3)


def two_outputs(*extra: onnx.NodeProto, outputs: dict[str, list[int]] | None = None) -> onnx.ModelProto:
    """A convolution whose map is an output, and two matrix products of its pooled features, another."""
    constants = {
        "w": RNG.normal(0, 0.5, (4, 3, 3, 3)).astype(np.float32),
        "p": RNG.normal(0, 1, (6, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["map"], ["pooled"], "mean", axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["pooled", "p"], ["vector"], "gemm", transB=1),
        *extra,
    ]
    shapes = {"map": [1, 4, 16, 16], "vector": [1, 6], **(outputs or {})}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def test_outputs_keep_their_names_and_numbers_and_maps_are_channels_last() -> None:
    model = two_outputs()
    cut = cut_graph(model, RAW)
    assert [(h.name, h.role, h.shape) for h in cut.spec.outputs] == [
        ("map", "raw", (1, 16, 16, 4)),
        ("vector", "raw", (1, 6)),
    ]
    image = noise_image((16, 16))
    before, after = run_onnx(model, image), run_onnx(cut.model, image)
    np.testing.assert_allclose(after["map"], before["map"].transpose(0, 2, 3, 1), atol=1e-5)
    np.testing.assert_allclose(after["vector"], before["vector"], atol=1e-5)
    assert {n.op_type for n in cut.model.graph.node}.isdisjoint({"Gemm", "ReduceMean"})


def test_preprocessing_is_in_the_sidecar() -> None:
    preprocess = cut_graph(two_outputs(), RAW).spec.preprocess
    assert (preprocess.fit, preprocess.crop_fraction) == ("crop", 0.875)
    assert (preprocess.mean, preprocess.std) == NORMALIZATIONS["imagenet"]


def test_a_cut_raw_model_is_cut_again_without_options() -> None:
    first = cut_graph(two_outputs(), RAW)
    again = cut_graph(first.model, known=first.spec)
    assert again.spec.outputs == first.spec.outputs
    assert again.spec.preprocess == first.spec.preprocess
    image = noise_image((16, 16))
    np.testing.assert_allclose(run_onnx(again.model, image)["map"], run_onnx(first.model, image)["map"], atol=1e-6)


def test_inner_tensors_can_be_the_outputs() -> None:
    cut = cut_graph(two_outputs(), replace(RAW, outputs={"map": ""}))
    assert [head.name for head in cut.spec.outputs] == ["map"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": InputOptions()}, "nothing says how the pixels of input 'x' are normalised"),
        ({"outputs": {"nowhere": ""}}, "the graph has no tensor 'nowhere'"),
        ({"inputs": replace(IMAGENET, fit="pad")}, "--crop-fraction is 0.875 with images that are not cropped"),
        ({"inputs": replace(IMAGENET, std=(1.0, -1.0, 1.0))}, "std is "),
    ],
)
def test_what_does_not_fit_is_two_lines(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgekitError) as caught:
        cut_graph(two_outputs(), replace(RAW, **options))
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_mean_without_std_is_refused() -> None:
    with pytest.raises(ConfigError, match="--std is missing beside --mean"):
        InputOptions(mean=(1.0,))


def test_integer_outputs_are_refused_by_name() -> None:
    model = two_outputs(helper.make_node("ArgMax", ["map"], ["classes"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("classes", TensorProto.INT64, [1, 1, 16, 16]))
    with pytest.raises(ModelError, match="output 'classes' is int64"):
        cut_graph(model, RAW)


def test_control_flow_is_refused_by_name() -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["map"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1, 4, 16, 16])],
    )
    model = two_outputs(
        helper.make_node("ReduceMax", ["map"], ["top"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Cast", ["top"], ["yes"], to=TensorProto.BOOL),
        helper.make_node("If", ["yes"], ["either"], "choice", then_branch=branch, else_branch=branch),
        outputs={"either": [1, 4, 16, 16]},
    )
    with pytest.raises(ModelError) as caught:
        cut_graph(model, RAW)
    assert caught.value.message.startswith("node 'choice' is If, a branch or loop inside the graph")
    assert caught.value.hint

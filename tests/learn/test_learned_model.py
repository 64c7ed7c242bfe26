"""What was learned, written into the ONNX: the graph then computes with it, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.compilation.job import load_job
from edgekit.graph.attention import attention_sums
from edgekit.graph.float_runner import FloatRunner
from edgekit.learn.learned_model import blended, learnable_convolutions, with_weights
from edgekit.sim.compiler.prepared_model import prepare_model
from tests.learn.conftest import HEADS


@pytest.mark.parametrize(("family", "task"), HEADS[::3])
def test_nearly_all_convolutions_can_be_learned(works: Callable[..., Path], family: str, task: str) -> None:
    options = {"size_wh": (64, 64)} if task == "classify" else {}
    prepared = prepare_model(load_job(works(family=family, task=task, **options)))
    names = learnable_convolutions(onnx.load(prepared.job.onnx_path), prepared.graph)
    sums = attention_sums(prepared.graph)
    convolutions = [
        n.name
        for n in prepared.graph.nodes
        if n.op in ("Conv", "ConvTranspose") and "average" not in n.attrs and n.output not in sums
    ]
    assert names <= set(convolutions) and len(names) >= len(convolutions) - 1


def test_a_folded_normalisation_is_not_learned(tmp_path: Path, works: Callable[..., Path]) -> None:
    """Its weights stand nowhere in the file."""
    prepared = prepare_model(load_job(works()))
    model = onnx.load(prepared.job.onnx_path)
    first = next(node for node in prepared.graph.nodes if node.op == "Conv")
    constants = dict(prepared.graph.constants)
    constants[first.inputs[1]] = 2 * constants[first.inputs[1]]
    graph = prepared.graph.with_nodes(prepared.graph.nodes, constants=constants)
    assert learnable_convolutions(model, prepared.graph) - learnable_convolutions(model, graph) == {first.name}


def test_other_weights_change_what_the_graph_computes(tmp_path: Path, works: Callable[..., Path]) -> None:
    """The last convolution of an output with doubled weight and bias gives twice as much."""
    prepared = prepare_model(load_job(works()))
    model = onnx.load(prepared.job.onnx_path)
    name, tensor = next(iter(prepared.graph.outputs.items()))
    node = next(n for n in prepared.graph.nodes if n.output == tensor)
    weight, bias = (prepared.graph.constants[key] for key in node.inputs[1:])
    onnx.save(with_weights(model, {node.name: (2 * weight, 2 * bias)}), str(tmp_path / "changed.onnx"))
    x = np.random.default_rng(0).uniform(0, 1, prepared.job.input_shape).astype(np.float32)
    runs = [
        dict(FloatRunner(path, list(prepared.graph.outputs)).run(x))
        for path in (prepared.job.onnx_path, tmp_path / "changed.onnx")
    ]
    assert np.allclose(runs[1][name], 2 * runs[0][name], atol=1e-4)
    for unchanged in set(runs[0]) - {name}:
        assert np.array_equal(runs[0][unchanged], runs[1][unchanged])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_blend_goes_a_share_of_the_way(works: Callable[..., Path], share: float) -> None:
    prepared = prepare_model(load_job(works()))
    model = onnx.load(prepared.job.onnx_path)
    node = next(n for n in prepared.graph.nodes if n.op == "Conv" and len(n.inputs) > 2)
    weight, bias = (prepared.graph.constants[key] for key in node.inputs[1:3])
    learned = with_weights(model, {node.name: (3 * weight, bias + 1)})
    constants = {t.name: numpy_helper.to_array(t) for t in blended(model, learned, share).graph.initializer}
    before = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    read = next(n for n in model.graph.node if n.name == node.name)
    np.testing.assert_allclose(constants[read.input[1]], (1 + 2 * share) * weight, rtol=1e-6)
    np.testing.assert_allclose(constants[read.input[2]], bias + share, rtol=1e-6)
    for name in before.keys() - set(read.input):
        assert np.array_equal(constants[name], before[name])

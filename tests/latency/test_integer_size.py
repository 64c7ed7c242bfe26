from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import EdgekitError
from edgekit.graph.model_size import ModelSize
from edgekit.latency.integer_size import integer_size, size_of_file
from edgekit.sim.graph import load_graph
from tests.conftest import ROOT
from tests.latency.graphs import two_convs


def test_an_integer_graph_counts_its_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(two_convs())
    graph = load_graph(path)
    size = integer_size(graph)
    convolutions = [node.operator for node in graph.nodes if hasattr(node.operator, "weight")]
    assert size.layers == len(convolutions) == 3
    assert size.parameters == sum(o.weight.size + o.weight.shape[0] for o in convolutions)
    pixels = [graph.types[node.outputs[0]].shape for node in graph.nodes]
    assert size.gflops == pytest.approx(
        sum(2 * s[1] * s[2] * o.weight.size for s, o in zip(pixels, convolutions, strict=False)) / 1e9
    )
    assert size_of_file(path) == size


def test_a_float_model_by_its_file(tmp_path: Path) -> None:
    size = size_of_file(ROOT / "edgekit" / "demo" / "demo_seg.onnx")
    assert isinstance(size, ModelSize) and size.layers > 50 and size.gflops is not None
    (tmp_path / "junk.onnx").write_bytes(b"no model")
    with pytest.raises(EdgekitError):
        size_of_file(tmp_path / "junk.onnx")


def test_the_compiled_model_is_as_large_as_its_source(shared_data: Path) -> None:
    quantized = next((shared_data / "horizon" / "yolov8n_seg_nv12").glob("*_quantized_model.onnx"))
    source, compiled = size_of_file(shared_data / "models" / "yolov8n-seg.onnx"), size_of_file(quantized)
    assert source.gflops is not None
    assert compiled.layers == source.layers and compiled.parameters == pytest.approx(source.parameters, rel=1e-4)
    assert compiled.gflops == pytest.approx(source.gflops, rel=1e-3)

"""Exports with half=True: read, sorted, made float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.export import cut_graph, cut_model
from edgekit.export.float_device import open_float_model
from edgekit.export.half_precision import holds_halves, to_single
from edgekit.graph.onnx_graph import load_model
from tests.half_yolo import halved
from tests.stock_rows import noise_image, run_onnx
from tests.tiny_yolo import tiny_yolo


@pytest.mark.parametrize("half_ends", [False, True])
@pytest.mark.parametrize(("family", "task"), [("yolov8", "detect"), ("yolo11", "segment"), ("yolo26", "pose")])
def test_a_half_export_cuts_to_the_float32_heads_of_its_numbers(
    family: str, task: str, half_ends: bool, tmp_path: Path
) -> None:
    single = tiny_yolo(family=family, task=task)
    onnx.save(halved(single, half_ends=half_ends), str(tmp_path / "half.onnx"))
    cut = cut_graph(load_model(tmp_path / "half.onnx"))
    assert cut.rewritten[0] == "float16 to float32"
    assert not holds_halves(cut.model)
    assert all(node.op_type != "Cast" for node in cut.model.graph.node)
    image = noise_image((96, 64))
    twin, found = run_onnx(cut_graph(single).model, image), run_onnx(cut.model, image)
    for name, expected in twin.items():
        np.testing.assert_allclose(found[name], expected, atol=0.02 * np.abs(expected).max())


def test_half_exports_run_as_the_float_reference(tmp_path: Path) -> None:
    onnx.save(halved(tiny_yolo(), half_ends=True), str(tmp_path / "half.onnx"))
    spec, device = open_float_model(tmp_path / "half.onnx")
    assert [t.dtype for t in device.inputs] == ["float32"]
    assert spec.task == "detect"
    assert cut_model(tmp_path / "half.onnx", tmp_path / "heads.onnx").task == "detect"


def test_widening_keeps_the_file_s_own_numbers() -> None:
    half = halved(tiny_yolo())
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in half.graph.initializer}
    for tensor in to_single(half).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        assert values.dtype == np.float32 or weights[tensor.name].dtype != np.float16
        assert np.array_equal(values, weights[tensor.name].astype(values.dtype))


def test_a_float32_export_is_left_alone() -> None:
    assert not holds_halves(tiny_yolo(family="yolo26", end_to_end=True, opset=13))
    assert "float16 to float32" not in cut_graph(tiny_yolo()).rewritten

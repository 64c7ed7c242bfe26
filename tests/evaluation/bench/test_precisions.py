from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.errors import UnfitError
from edgekit.evaluation.bench.precisions import model_in_precision
from tests.images import scene
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import detections


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")


def test_a_float16_twin_runs_and_finds_nearly_the_same(model: Path, tmp_path: Path) -> None:
    twin = model_in_precision(model, "float16", tmp_path / "twins")
    weights = {tensor.data_type for tensor in onnx.load(str(twin)).graph.initializer if len(tensor.dims) == 4}
    assert weights == {onnx.TensorProto.FLOAT16}
    assert twin.stat().st_size < model.stat().st_size
    full, half = (edgekit.load(path, conf=0.4).predict(scene(1)) for path in (model, twin))
    assert len(half) == pytest.approx(len(full), abs=2) and len(full)
    np.testing.assert_allclose(detections(half).scores[:3], detections(full).scores[:3], atol=0.02)
    before = twin.stat().st_mtime_ns
    assert model_in_precision(model, "float16", tmp_path / "twins") == twin and twin.stat().st_mtime_ns == before


def test_what_the_file_has_is_the_file(model: Path, tmp_path: Path) -> None:
    assert model_in_precision(model, "", tmp_path) == model_in_precision(model, "float32", tmp_path) == model
    compiled = tmp_path / "m.bin"
    assert model_in_precision(compiled, "int8", tmp_path) == compiled


def test_another_file_is_needed_for_the_rest(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match="m.onnx is a float model, expected int8"):
        model_in_precision(model, "int8", tmp_path)
    for path in (tmp_path / "m.bin", tmp_path / "m_quantized_model.onnx"):
        with pytest.raises(UnfitError, match="is int8 alone, expected float16"):
            model_in_precision(path, "float16", tmp_path)

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.compilation.describe import describe_model
from edgekit.errors import ModelError, UnfitError
from edgekit.evaluation.bench.sizes import model_at_size, require_size
from edgekit.results import Classifications
from tests.images import scene
from tests.tiny_yolo import save_tiny_yolo, tiny_yolo


def test_an_export_of_open_size_runs_at_every_size(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", task="classify", batch="batch", dynamic_size=True)
    for size_hw in ((64, 96), (96, 160)):
        fixed = model_at_size(path, size_hw, tmp_path / "models")
        assert fixed.parent == tmp_path / "models" and f"{size_hw[0]}x{size_hw[1]}" in fixed.name
        session = edgekit.load(fixed)
        assert session.spec.preprocess.size_wh == size_hw[::-1]
        results = session.predict(scene(3))
        assert isinstance(results, Classifications) and np.isfinite(results.probabilities).all()


def test_without_a_size_it_is_the_one_that_the_export_was_made_for(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx", dynamic_size=True)
    assert "64x96" in model_at_size(path, None, tmp_path).name
    model = tiny_yolo(dynamic_size=True, metadata=False)
    onnx.save(model, str(tmp_path / "silent.onnx"))
    with pytest.raises(ModelError, match="silent.onnx leaves its height and width open") as caught:
        model_at_size(tmp_path / "silent.onnx", None, tmp_path)
    assert "--imgsz" in caught.value.hint


def test_a_model_of_fixed_size_is_taken_as_it_is(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx")
    assert model_at_size(path, (320, 320), tmp_path / "models") == path
    assert not (tmp_path / "models").exists()
    assert model_at_size(Path("m.bin"), (320, 320), tmp_path) == Path("m.bin")


def test_another_size_than_its_own_does_not_fit(tmp_path: Path) -> None:
    path = save_tiny_yolo(tmp_path / "m.onnx")
    spec = describe_model(path)
    require_size(path, spec, None)
    require_size(path, spec, (64, 96))
    with pytest.raises(UnfitError, match="m.onnx takes 64,96 .height, width. alone, expected 96,64"):
        require_size(path, spec, (96, 64))

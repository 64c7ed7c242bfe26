"""The shipped model is whole, small, licence-clean and shaped like a stock export."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.demo import assets as material
from edgekit.demo.assets import IMAGES, MODEL_NAME, RECORD_NAME, shipped_model, write_images
from edgekit.demo.shapes import CLASS_NAMES
from edgekit.errors import ModelError
from edgekit.files import sha256_file
from edgekit.ops.image import read_image

MAX_BYTES = 1_500_000
FOLDER = Path(material.__file__).parent


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(shipped_model())


def test_hash_and_size_match_the_record() -> None:
    record = json.loads((FOLDER / RECORD_NAME).read_text())
    path = shipped_model()
    assert record["sha256"] == sha256_file(path)
    assert record["bytes"] == path.stat().st_size < MAX_BYTES


def test_metadata_is_ours_and_complete(model: onnx.ModelProto) -> None:
    said = {p.key: p.value for p in model.metadata_props}
    assert said["author"] == "edgekit" and said["license"] == "Apache-2.0"
    assert said["task"] == "segment" and said["stride"] == "32" and said["imgsz"] == "[256, 320]"
    assert ast.literal_eval(said["names"]) == dict(enumerate(CLASS_NAMES))
    assert not any("ultralytics" in value.lower() for value in said.values())


def test_it_is_shaped_like_a_stock_export(model: onnx.ModelProto) -> None:
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 11)]
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*model.graph.input, *model.graph.output)
    }
    cells = sum((256 // s) * (320 // s) for s in (8, 16, 32))
    assert shapes == {
        "images": [1, 3, 256, 320],
        "output0": [1, 4 + len(CLASS_NAMES) + 32, cells],
        "output1": [1, 32, 64, 80],
    }
    names = {node.name for node in model.graph.node}
    branches = (f"/model.22/{b}.{i}/{b}.{i}.2/Conv" for b in ("cv2", "cv3", "cv4") for i in range(3))
    assert names.issuperset(branches)
    assert "/model.22/proto/upsample/ConvTranspose" in names
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


def test_weights_are_finite(model: onnx.ModelProto) -> None:
    assert all(np.isfinite(onnx.numpy_helper.to_array(t)).all() for t in model.graph.initializer)


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "__file__", str(tmp_path / "material.py"))
    (tmp_path / RECORD_NAME).write_bytes((FOLDER / RECORD_NAME).read_bytes())
    with pytest.raises(ModelError, match="nothing"):
        shipped_model()
    (tmp_path / MODEL_NAME).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="SHA-256") as caught:
        shipped_model()
    assert "install" in caught.value.hint


def test_images_on_disk_are_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "IMAGES", {7: (96, 64), 3: (64, 96)})
    images = write_images(tmp_path)
    assert [image.path.name for image in images] == ["00003.png", "00007.png"]
    for image in images:
        np.testing.assert_array_equal(read_image(image.path), image.scene.bgr)


def test_no_image_is_both_calibrated_with_and_shown() -> None:
    calibration = range(material.CALIBRATION_SEED, material.CALIBRATION_SEED + material.CALIBRATION_COUNT)
    assert not set(calibration) & set(IMAGES)

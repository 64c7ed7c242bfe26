"""Results selected, iterated, joined and converted to the types of other libraries."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import ConfigError, DeviceError, ModelError
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.ops.rotated import enclosing_boxes
from edgekit.results import (
    Classifications,
    Detections,
    Poses,
    Results,
    RotatedDetections,
    Segmentations,
    concatenate,
)
from edgekit.spec import Preprocess

SIZE_WH = (300, 200)
BOXES = np.array([[60, 50, 180, 150], [10, 20, 40, 80], [5, 5, 9, 9]], np.float32)
SCORES = np.array([0.9, 0.6, 0.3], np.float32)
COLUMNS = (SCORES, np.array([1, 0, 1], np.int32), ("cat", "sea lion"), SIZE_WH, "bpu")


def segmentations(height: int = 320) -> Segmentations:
    box = letterbox_of(SIZE_WH, Preprocess(320, height))
    proto = np.ones((80, 80, 1), np.float32)
    coefficients = np.array([[1], [-1], [1]], np.float32)
    return Segmentations(BOXES, *COLUMNS, instance_masks(coefficients, proto, box.apply_boxes(BOXES), BOXES, box))


def poses() -> Poses:
    return Poses(BOXES, *COLUMNS, np.arange(24, dtype=np.float32).reshape(3, 4, 2), np.ones((3, 4), np.float32))


def rotated() -> RotatedDetections:
    boxes = np.array([[150, 100, 80, 40, 0.5], [50, 60, 30, 20, 0], [20, 20, 9, 5, 1]], np.float32)
    return RotatedDetections(enclosing_boxes(boxes), *COLUMNS, boxes)


def classifications() -> Classifications:
    return Classifications(np.array([0.25, 0.75], np.float32), ("cat", "sea lion"), SIZE_WH, "bpu")


OBJECTS = [Detections(BOXES, *COLUMNS), segmentations(), poses(), rotated()]


@pytest.mark.parametrize("results", OBJECTS, ids=lambda r: type(r).__name__)
def test_a_mask_a_slice_and_indices_select_objects(results: Detections) -> None:
    sure = results[results.scores > 0.5]
    assert type(sure) is type(results)
    assert sure.labels == ["sea lion", "cat"] and sure.to_dict()["objects"] == results.to_dict()["objects"][:2]
    assert results[:2].to_dict() == results[[0, 1]].to_dict() == results[np.array([0, 1])].to_dict() == sure.to_dict()
    assert results[-1].scores.tolist() == SCORES[2:].tolist()
    assert len(results[results.scores > 1]) == 0


def test_an_object_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        OBJECTS[0][3]
    with pytest.raises(IndexError):
        OBJECTS[0][np.ones(2, np.bool_)]


@pytest.mark.parametrize("results", OBJECTS, ids=lambda r: type(r).__name__)
def test_objects_one_by_one_and_joined_again(results: Detections) -> None:
    parts = list(results)
    assert [len(part) for part in parts] == [1, 1, 1]
    assert concatenate(parts).to_dict() == results.to_dict()
    assert concatenate([results[:0], results]).to_dict() == results.to_dict()


def test_what_does_not_belong_together_is_not_joined() -> None:
    detections = Detections(BOXES, *COLUMNS)
    for other in (replace(detections, size_wh=(9, 9)), poses(), replace(detections, track_ids=np.arange(3))):
        with pytest.raises(ModelError, match="results of 2 kinds cannot be joined"):
            concatenate([detections, other])
    with pytest.raises(ModelError, match="masks of different prototypes"):
        concatenate([segmentations(), segmentations(640)])


@pytest.fixture
def ultralytics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins: tensors are arrays, `Results` what it is called with."""
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(as_tensor=np.asarray))  # type: ignore[arg-type]
    module = types.SimpleNamespace(
        Results=lambda bgr, path, names, **columns: {"path": path, "names": names, **columns}
    )
    monkeypatch.setitem(sys.modules, "ultralytics", types.SimpleNamespace(engine=None))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "ultralytics.engine", types.SimpleNamespace(results=module))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "ultralytics.engine.results", module)  # type: ignore[arg-type]


def test_ultralytics_columns(ultralytics: None) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    boxes = OBJECTS[0].to_ultralytics(image, path="a.jpg")
    assert (boxes["path"], boxes["names"]) == ("a.jpg", {0: "cat", 1: "sea lion"})
    np.testing.assert_allclose(boxes["boxes"][0], [60, 50, 180, 150, 0.9, 1])
    tracked = replace(OBJECTS[0], track_ids=np.array([4, -1, 2])).to_ultralytics(image)["boxes"]
    np.testing.assert_allclose(tracked[0], [60, 50, 180, 150, 4, 0.9, 1])
    assert segmentations().to_ultralytics(image)["masks"].shape == (3, 200, 300)
    assert poses().to_ultralytics(image)["keypoints"].shape == (3, 4, 3)
    turned = rotated().to_ultralytics(image)
    assert "boxes" not in turned
    np.testing.assert_allclose(turned["obb"][0], [150, 100, 80, 40, 0.5, 0.9, 1])
    np.testing.assert_allclose(classifications().to_ultralytics(image)["probs"], [0.25, 0.75])


@pytest.mark.parametrize("results", [OBJECTS[0], classifications()], ids=lambda r: type(r).__name__)
def test_a_library_that_is_missing_is_named(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DeviceError, match="torch is not installed"):
        results.to_ultralytics(np.zeros((200, 300, 3), np.uint8))


def test_coco_rows() -> None:
    row = poses().to_coco(7)[0]
    assert (row["image_id"], row["category_id"], row["bbox"]) == (7, 2, [60.0, 50.0, 120.0, 100.0])
    assert len(row["keypoints"]) == 12
    assert segmentations().to_coco("a")[0]["segmentation"]["size"] == [200, 300]
    assert len(rotated().to_coco(7, category_ids=[5, 6])[0]["rbox"]) == 5
    with pytest.raises(ConfigError, match="no COCO rows"):
        classifications().to_coco(7)

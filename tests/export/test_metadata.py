"""Metadata properties: what Ultralytics writes, and what must not be believed."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from edgekit.errors import ModelError
from edgekit.export.metadata import Metadata, class_names, family_of, read_metadata
from edgekit.labels import COCO_NAMES


def _model(**properties: str) -> onnx.ModelProto:
    model = helper.make_model(helper.make_graph([], "g", [], []))
    helper.set_model_props(model, properties)
    return model


@pytest.mark.parametrize(
    ("description", "family"),
    [
        ("Ultralytics YOLOv8n-seg model trained on coco.yaml", "yolov8"),
        ("Ultralytics YOLO11n model ", "yolo11"),
        ("Ultralytics YOLOv5nu model", "yolov5u"),
        ("Ultralytics YOLOv5n6u model", "yolov5u"),
        ("Ultralytics YOLOv9t model", "yolov9"),
        ("Ultralytics YOLO26n-pose model", "yolo26"),
        ("Ultralytics best model", ""),
        ("", ""),
    ],
)
def test_family_of(description: str, family: str) -> None:
    assert family_of(description) == family


def test_read_metadata() -> None:
    model = _model(
        description="Ultralytics YOLOv8n-pose model",
        task="pose",
        names="{1: 'b, c', 0: 'a'}",
        imgsz="[480, 640]",
        kpt_shape="[17, 3]",
    )
    assert read_metadata(model) == Metadata("yolov8", "pose", ("a", "b, c"), (480, 640), (17, 3))
    assert read_metadata(_model()) == Metadata()


@pytest.mark.parametrize(
    "properties",
    [
        {"names": "__import__('os').getcwd()"},
        {"names": "{0: 'a', 2: 'b'}"},
        {"names": "{'x': 'a'}"},
        {"names": "[]"},
        {"names": "5"},
        {"names": "(" * 5000},
        {"names": "'" + "a" * (1 << 20) + "'"},
        {"imgsz": "[640, -1]"},
        {"imgsz": "[640, 640, 3]"},
        {"imgsz": "True"},
        {"kpt_shape": "[17, 1000000000]"},
        {"task": "destroy"},
    ],
)
def test_properties_that_cannot_be_are_refused(properties: dict[str, str]) -> None:
    with pytest.raises(ModelError) as caught:
        read_metadata(_model(**properties))
    assert next(iter(properties)) in caught.value.message


def test_class_names() -> None:
    assert class_names(Metadata(names=("a", "b")), 2) == (("a", "b"), ())
    assert class_names(Metadata(), 80)[0] == COCO_NAMES
    names, notes = class_names(Metadata(), 2)
    assert len(names) == 2
    assert notes
    with pytest.raises(ModelError, match="2 classes"):
        class_names(Metadata(names=("a", "b")), 3)

"""Every task scored end to end: a model on labels that are its own findings scores full marks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.data.label_faults import Faults
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.labels import ImageEntry, Labels
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.predictions import predict_images
from edgekit.evaluation.run import evaluate
from edgekit.evaluation.yolo_labels import read_labels
from edgekit.ops.rotated import rotated_corners
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


def own_findings(model: Path, tmp_path: Path) -> tuple[tuple[ImageEntry, ...], list[ImageDetections], tuple[str, ...]]:
    images = tuple(ImageEntry(i, path) for i, path in enumerate(write_images(tmp_path / "images", 4), 1))
    session = edgekit.load(model, conf=0.5, max_detections=15)  # COCO counts 20 poses of an image
    return images, list(predict_images(session, model, images, tmp_path / "own.jsonl")), session.spec.names


def scene_detections(
    images: tuple[ImageEntry, ...], found: list[ImageDetections], names: tuple[str, ...], extra: Any
) -> Labels:
    annotations = []
    for image in found:
        for i, (x1, y1, x2, y2) in enumerate(image.boxes_xyxy.tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image.image_id,
                    "category_id": int(image.class_ids[i]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    **extra(image, i),
                }
            )
    assert len(annotations) > 5
    return Labels(images, tuple(annotations), tuple(enumerate(names)), {})


def test_pose(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "pose.onnx", family="yolov8", task="pose", num_classes=1)
    images, found, names = own_findings(model, tmp_path)

    def extra(image: ImageDetections, i: int) -> dict[str, Any]:
        assert image.keypoints is not None
        points = image.keypoints[i].copy()
        points[:, 2] = 2
        return {"keypoints": points.astype(float).ravel().tolist(), "num_keypoints": len(points)}

    truth = scene_detections(images, found, names, extra)
    scores = evaluate(model, truth, tmp_path / "out", options=EvaluateOptions(resamples=10)).model.scores
    assert set(scores) == {"box", "keypoint"}
    assert scores["keypoint"].overall.value > 0.8 and set(scores["keypoint"].by_area) == {"medium", "large"}
    moved = tuple({**a, "keypoints": [v + 60 for v in a["keypoints"]]} for a in truth.annotations)
    worse = evaluate(
        model, Labels(images, moved, truth.categories, {}), tmp_path / "out", options=EvaluateOptions(resamples=10)
    )
    assert worse.model.scores["keypoint"].overall.value < scores["keypoint"].overall.value / 2


def test_obb(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "obb.onnx", family="yolov8", task="obb")
    images, found, names = own_findings(model, tmp_path)

    def extra(image: ImageDetections, i: int) -> dict[str, Any]:
        assert image.rotated_xywhr is not None
        return {"segmentation": [rotated_corners(image.rotated_xywhr[[i]])[0].astype(float).ravel().tolist()]}

    result = evaluate(
        model,
        scene_detections(images, found, names, extra),
        tmp_path / "out",
        against=model,
        options=EvaluateOptions(resamples=10),
    )
    assert set(result.model.scores) == {"rotated box"}
    assert result.model.scores["rotated box"].overall.value > 0.95
    assert result.agreement is not None and result.agreement.matched[0][1].value == 1


def test_classify(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "cls.onnx", family="yolov8", task="classify", num_classes=7)
    _, found, names = own_findings(model, tmp_path)
    for name in names:
        (tmp_path / "data" / "val" / name).mkdir(parents=True)
    for image in found:
        right, wrong = names[image.class_ids[0]], names[image.class_ids[1]]
        name = right if image.image_id != 2 else wrong
        shutil.copy(tmp_path / "images" / f"image_{image.image_id - 1:03d}.png", tmp_path / "data" / "val" / name)
    truth = load_labels(tmp_path / "data")
    result = evaluate(model, truth, tmp_path / "out", against=model, options=EvaluateOptions(resamples=10))
    assert result.model.scores["top-1"].overall.value == 0.75
    assert result.model.scores["top-5"].overall.value == 1
    assert result.model.to_dict()["scores"]["top-1"]["accuracy"]["value"] == 0.75
    assert result.kept is not None and result.kept["top-1"].value == 1 and result.agreement is None
    with pytest.raises(DataError, match="no folders with images"):
        load_labels(tmp_path / "images")


def test_labels_and_models_of_different_tasks_are_refused(tmp_path: Path) -> None:
    classifier = save_tiny_yolo(tmp_path / "cls.onnx", family="yolov8", task="classify")
    detector = save_tiny_yolo(tmp_path / "det.onnx", family="yolov8")
    images, found, names = own_findings(detector, tmp_path)
    truth = scene_detections(images, found, names, lambda image, i: {})
    with pytest.raises(DataError, match="scored on a folder per class"):
        evaluate(classifier, truth, tmp_path / "out", options=EvaluateOptions(resamples=10))
    pose = save_tiny_yolo(tmp_path / "pose.onnx", family="yolov8", task="pose")
    with pytest.raises(ModelError, match="does 'detect', but"):
        evaluate(detector, truth, tmp_path / "out", against=pose, options=EvaluateOptions(resamples=10))


def test_yolo_pose_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.2 0.4 0.1 0.2 2 0.3 0.4 0\n")
    (line,) = read_labels(path, Faults(), keypoint_shape=(2, 3)) or []
    assert line.keypoints == (0.1, 0.2, 2, 0.3, 0.4, 0)
    path.write_text("0 0.5 0.5 0.2 0.4 0.1 0.2 0.3 0.4\n")
    (line,) = read_labels(path, Faults(), keypoint_shape=(2, 2)) or []
    assert line.keypoints == (0.1, 0.2, 2, 0.3, 0.4, 2)
    for bad in ("0 0.5 0.5 0.2 0.4 0.1", "0 0.5 0.5 0.2 0.4 0.1 0.2 0.3 x", "0 0.5 0.5 0.2 0.4 0.1 0.2 0.3 inf"):
        path.write_text(bad)
        faults = Faults()
        assert read_labels(path, faults, keypoint_shape=(2, 2)) == []
        assert "a.txt:1 is" in faults.tell("set")
    write_images(tmp_path / "images", 1)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "image_000.txt").write_text("0 0.5 0.5 0.2 0.4 0.5 0.5 2 0.25 0.25 0\n")
    (tmp_path / "d.yaml").write_text("val: images\nkpt_shape: [2, 3]\nnames: [person]\n")
    (annotation,) = load_labels(tmp_path / "d.yaml").annotations
    assert annotation["keypoints"] == pytest.approx([48, 36, 2, 24, 18, 0]) and annotation["num_keypoints"] == 1
    (tmp_path / "d.yaml").write_text("val: images\nkpt_shape: [2, 5]\nnames: [person]\n")
    with pytest.raises(DataError, match="kpt_shape"):
        load_labels(tmp_path / "d.yaml")
    data = {
        "images": [{"id": 1, "file_name": "images/image_000.png"}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [1, 2]}],
    }
    (tmp_path / "k.json").write_text(json.dumps(data))
    truth = load_labels(tmp_path / "k.json")
    assert "1 used without key points (annotations[0].keypoints is [1, 2])" in truth.notes[0]
    assert not truth.has_keypoints
    assert np.isfinite(annotation["area"])


def test_labels_of_other_key_points_than_the_models_are_refused_before_the_work(tmp_path: Path) -> None:
    model = save_tiny_yolo(tmp_path / "pose.onnx", family="yolov8", task="pose")
    images, found, names = own_findings(model, tmp_path)
    truth = scene_detections(images, found, names, lambda image, i: {"keypoints": [1, 2, 2] * 4, "num_keypoints": 4})
    with pytest.raises(DataError, match=r"pose\.onnx predicts \d+ key points per object, the labels have 4"):
        evaluate(model, truth, tmp_path / "out", options=EvaluateOptions(resamples=10))
    assert not (tmp_path / "out").exists()

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import DataError, EdgekitError
from edgekit.evaluate.truth import load_truth, read_labels
from tests.photos import write_photos


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "photo_000.png", "width": 96, "height": 72}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": 0, "image_id": 5, "category_id": 2, "bbox": [1, 2, 30, 40], "iscrowd": 0}],
        **changes,
    }


def write(folder: Path, data: dict[str, Any]) -> Path:
    write_photos(folder / "images", 1)
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def test_coco_labels(tmp_path: Path) -> None:
    truth = load_truth(write(tmp_path, coco()))
    assert [(p.image_id, p.path.name) for p in truth.photos] == [(5, "photo_000.png")]
    assert truth.categories == ((1, "cat"), (2, "dog"))
    (annotation,) = truth.annotations
    assert (annotation["id"], annotation["area"], annotation["iscrowd"]) == (1, 1200, 0)  # never an id of 0
    assert not truth.has_masks and truth.notes == ()


def test_photos_that_are_not_here_are_left_out_with_their_labels(tmp_path: Path) -> None:
    data = coco()
    data["images"].append({"id": 6, "file_name": "gone.png"})
    data["annotations"].append({"image_id": 6, "category_id": 1, "bbox": [0, 0, 5, 5]})
    truth = load_truth(write(tmp_path, data))
    assert len(truth.photos) == len(truth.annotations) == 1
    assert "1 photos are not here" in truth.notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": []}, "no labelled object on the 1 photos"),
        ({"annotations": None}, "no list `annotations`"),
        ({"annotations": [3]}, r"annotations\[0\] is no object"),
        ({"annotations": [{"image_id": 5, "category_id": 77, "bbox": [0, 0, 1, 1]}]}, "category_id is 77"),
        ({"annotations": [{"image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "image_id is 8"),
        ({"annotations": [{"image_id": 5, "category_id": 1, "bbox": [0, 0, "a", 1]}]}, "bbox is"),
        ({"annotations": [{"image_id": 5, "category_id": 1}]}, "bbox is None"),
        ({"categories": []}, "no list `categories`"),
        ({"categories": [{"id": "x", "name": "y"}]}, "no list `categories`"),
    ],
)
def test_bad_coco_files_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_truth(write(tmp_path, coco(**changes)))


def dataset(tmp_path: Path, labels: dict[str, str], names: str = "[cat, dog]") -> Path:
    write_photos(tmp_path / "images" / "val", 3)
    (tmp_path / "labels" / "val").mkdir(parents=True)
    for stem, text in labels.items():
        (tmp_path / "labels" / "val" / f"{stem}.txt").write_text(text)
    path = tmp_path / "data.yaml"
    path.write_text(f"val: images/val\nnames: {names}\n")
    return path


def test_yolo_boxes_and_outlines(tmp_path: Path) -> None:
    labels = {"photo_000": "1 0.5 0.5 0.25 0.5\n", "photo_002": "0 0 0 0.5 0 0.5 0.5 0 0.5\n\n"}
    truth = load_truth(dataset(tmp_path, labels))
    box, outline = truth.annotations
    assert (box["image_id"], box["category_id"]) == (1, 1)
    assert box["bbox"] == pytest.approx([36, 18, 24, 36]) and box["area"] == pytest.approx(864)
    assert outline["image_id"] == 3 and outline["bbox"] == pytest.approx([0, 0, 48, 36])
    assert outline["area"] == pytest.approx(48 * 36)
    assert outline["segmentation"] == [[0, 0, 48, 0, 48, 36, 0, 36]]
    assert len(truth.photos) == 3 and truth.has_masks  # a photo without labels is background
    assert len(load_truth(dataset_again(tmp_path), limit=2).annotations) == 1


def dataset_again(tmp_path: Path) -> Path:
    return tmp_path / "data.yaml"


@pytest.mark.parametrize(
    "line", ["a b c d e", "0 0.5 0.5 0.5", "0 0.5 0.5 0.5 0.5 0.5", "0.5 0 0 0 0", "-1 0 0 0 0", "0 50 50 20 20", "0"]
)
def test_bad_lines_are_named_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text("0 0.5 0.5 0.1 0.1\n" + line)
    with pytest.raises(DataError, match=r"x\.txt:2 is"):
        read_labels(path)


def test_unknown_classes_missing_labels_and_odd_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"have class 4, expected 0\.\.1"):
        load_truth(dataset(tmp_path / "a", {"photo_000": "4 0.5 0.5 0.1 0.1"}))
    with pytest.raises(DataError, match="none of the 3 photos has a label file"):
        load_truth(dataset(tmp_path / "b", {}))
    with pytest.raises(DataError, match="no split 'train', expected one of val"):
        load_truth(dataset(tmp_path / "c", {"photo_000": ""}), split="train")
    with pytest.raises(EdgekitError, match=r"expected COCO \.json, a YOLO"):
        load_truth(tmp_path / "labels.csv")
    assert read_labels(tmp_path / "absent.txt") == []

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from edgekit.data.label_faults import Faults
from edgekit.errors import DataError, EdgekitError
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.outlines import packed_pixels
from edgekit.evaluation.yolo_labels import read_labels
from tests.images import write_images


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "image_000.png", "width": 96, "height": 72}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": 0, "image_id": 5, "category_id": 2, "bbox": [1, 2, 30, 40], "iscrowd": 0}],
        **changes,
    }


def write(folder: Path, data: dict[str, Any]) -> Path:
    write_images(folder / "images", 1)
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def label(**fields: Any) -> dict[str, Any]:
    return {"image_id": 5, "category_id": 1, "bbox": [0, 0, 9, 9], **fields}


def test_coco_labels(tmp_path: Path) -> None:
    truth = load_labels(write(tmp_path, coco()))
    assert [(p.image_id, p.path.name) for p in truth.images] == [(5, "image_000.png")]
    assert truth.categories == ((1, "cat"), (2, "dog"))
    (annotation,) = truth.annotations
    assert (annotation["id"], annotation["area"], annotation["iscrowd"]) == (1, 1200, 0)  # never an id of 0
    assert not truth.has_masks and truth.notes == ()


def test_images_that_are_not_here_are_left_out_with_their_labels(tmp_path: Path) -> None:
    data = coco()
    data["images"].append({"id": 6, "file_name": "gone.png"})
    data["annotations"].append({"image_id": 6, "category_id": 1, "bbox": [0, 0, 5, 5]})
    truth = load_labels(write(tmp_path, data))
    assert len(truth.images) == len(truth.annotations) == 1
    assert "1 images are not here" in truth.notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": []}, "no labelled object on the 1 images"),
        ({"annotations": None}, "no list `annotations`"),
        ({"annotations": [3]}, r"annotations\[0\] is 3\), expected an object"),
        ({"annotations": [{"image_id": 5, "category_id": 77, "bbox": [0, 0, 1, 1]}]}, "category_id is 77"),
        ({"annotations": [{"image_id": 8, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "image_id is 8"),
        ({"annotations": [{"image_id": 5, "category_id": 1, "bbox": [0, 0, "a", 1]}]}, "bbox is"),
        ({"annotations": [{"image_id": 5, "category_id": 1}]}, "bbox is None"),
        ({"annotations": [label(image_id=[5])]}, r"image_id is \[5\]"),
        ({"annotations": [label(category_id={})]}, "category_id is {}"),
        ({"annotations": [label(bbox=[0, 0, -3, 1])]}, r"bbox is \[0, 0, -3, 1\]"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "category id 1 stands there twice"),
        ({"categories": []}, "no list `categories`"),
        (
            {"categories": [{"id": "x", "name": "y"}]},
            r"categories\[0\] is {'id': 'x', 'name': 'y'}\), expected an object",
        ),
    ],
)
def test_bad_coco_files_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_labels(write(tmp_path, coco(**changes)))


@pytest.mark.parametrize(
    "segmentation",
    [
        "abc",
        [[1, 2]],
        [1, 2, 3, 4, 5, 6],
        [[0, 0, 9, 0]],  # pycocotools would take four numbers for a box
        [[0, 0, 9, 0, 9, 9, 1]],
        [["a", 0, 9, 0, 9, 9]],
        [[0, 0, 9, 0, float("nan"), 9]],
        {"counts": [9]},
        {"size": [5, 5], "counts": [25]},  # the image has 96 x 72
        {"size": [96, 72], "counts": [96 * 72]},
        {"size": [72, 96], "counts": [5, -3]},
        {"size": [72, 96], "counts": [5]},
        {"size": [72, 96], "counts": "abc"},
        {"size": [72, 96], "counts": "oooooooooooooooo"},
        {"size": [72, 96], "counts": "\u00ff"},
        {"size": [72, 96], "counts": None},
    ],
)
def test_masks_that_pycocotools_would_stumble_over_are_named_and_count_for_boxes_alone(
    tmp_path: Path, segmentation: object
) -> None:
    path = write(tmp_path, coco(annotations=[label(category_id=2), label(segmentation=segmentation)]))
    truth = load_labels(path)
    assert [a.get("segmentation") for a in truth.annotations] == [None, None]
    place = r"annotations\[1\]\.segmentation is "
    assert re.search(rf"1 fault: 1 used without outline \({place}.*\), expected outlines", truth.notes[0])
    with pytest.raises(DataError, match=place):
        load_labels(path, strict=True)


def test_outlines_and_both_kinds_of_run_lengths_are_masks_and_an_empty_one_is_none(tmp_path: Path) -> None:
    full = np.zeros((72, 96), np.uint8, order="F")
    full[10:40, 20:70] = full[50:, 3] = 1
    packed = coco_mask.encode(full)["counts"].decode()
    masks: list[object] = [
        [[0, 0, 9, 0, 9, 9]],
        {"size": [72, 96], "counts": [100, 20, 72 * 96 - 120]},
        {"size": [72, 96], "counts": packed},
        [],
    ]
    truth = load_labels(write(tmp_path, coco(annotations=[label(segmentation=one) for one in masks])))
    assert [a.get("segmentation") for a in truth.annotations] == [*masks[:3], None]
    assert truth.notes == ("1 labels have no outline and count only as boxes",)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_every_packed_mask_fills_its_image(seed: int, height: int, width: int, density: float) -> None:
    mask = np.asfortranarray(np.random.default_rng(seed).random((height, width)) < density, np.uint8)
    assert packed_pixels(coco_mask.encode(mask)["counts"].decode()) == mask.size


def dataset(tmp_path: Path, labels: dict[str, str], names: str = "[cat, dog]") -> Path:
    write_images(tmp_path / "images" / "val", 3)
    (tmp_path / "labels" / "val").mkdir(parents=True)
    for stem, text in labels.items():
        (tmp_path / "labels" / "val" / f"{stem}.txt").write_text(text)
    path = tmp_path / "data.yaml"
    path.write_text(f"val: images/val\nnames: {names}\n")
    return path


def test_yolo_boxes_and_outlines(tmp_path: Path) -> None:
    labels = {"image_000": "1 0.5 0.5 0.25 0.5\n", "image_002": "0 0 0 0.5 0 0.5 0.5 0 0.5\n\n"}
    truth = load_labels(dataset(tmp_path, labels))
    box, outline = truth.annotations
    assert (box["image_id"], box["category_id"]) == (1, 1)
    assert box["bbox"] == pytest.approx([36, 18, 24, 36]) and box["area"] == pytest.approx(864)
    assert outline["image_id"] == 3 and outline["bbox"] == pytest.approx([0, 0, 48, 36])
    assert outline["area"] == pytest.approx(48 * 36)
    assert outline["segmentation"] == [[0, 0, 48, 0, 48, 36, 0, 36]]
    assert len(truth.images) == 3 and truth.has_masks  # an image without labels is background
    assert len(load_labels(dataset_again(tmp_path), limit=2).annotations) == 1


def dataset_again(tmp_path: Path) -> Path:
    return tmp_path / "data.yaml"


@pytest.mark.parametrize(
    "line", ["a b c d e", "0 0.5 0.5 0.5", "0 0.5 0.5 0.5 0.5 0.5", "0.5 0 0 0 0", "-1 0 0 0 0", "0 50 50 20 20", "0"]
)
def test_bad_lines_are_named_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text("0 0.5 0.5 0.1 0.1\n" + line)
    faults = Faults()
    (first,) = read_labels(path, faults) or []
    assert first.box_cxcywh == (0.5, 0.5, 0.1, 0.1)
    assert "x.txt:2 is" in faults.tell("set") and len(faults) == 1


def test_unknown_classes_missing_labels_and_odd_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"000\.txt:1 is of class 4\), expected 0\.\.1"):
        load_labels(dataset(tmp_path / "a", {"image_000": "4 0.5 0.5 0.1 0.1"}))
    with pytest.raises(DataError, match="none of the 3 images has a label file"):
        load_labels(dataset(tmp_path / "b", {}))
    with pytest.raises(DataError, match="no split 'train', expected one of val"):
        load_labels(dataset(tmp_path / "c", {"image_000": ""}), split="train")
    with pytest.raises(EdgekitError, match=r"expected COCO \.json, a YOLO"):
        load_labels(tmp_path / "labels.csv")
    assert read_labels(tmp_path / "absent.txt", Faults()) == []

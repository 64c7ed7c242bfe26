"""COCO files with every kind of fault: what is sound is used, and all faults stand in one list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgekit.data.label_faults import Faults
from edgekit.errors import DataError
from edgekit.evaluation.coco_labels import read_categories
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.labels import Labels
from tests.images import write_images

SOUND = {"image_id": 5, "category_id": 1, "bbox": [0, 0, 9, 9]}
NAN, INF = float("nan"), float("inf")


def coco(annotations: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": "image_000.png", "width": 96, "height": 72}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [SOUND] if annotations is None else annotations,
        **changes,
    }


def load(folder: Path, data: object, **options: Any) -> Labels:
    write_images(folder / "images", 2)
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return load_labels(path, **options)


def test_two_categories_of_one_name_are_one_class_with_the_labels_of_both(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "person"}, {"id": 1, "name": "cat"}, {"id": 7, "name": " Person "}]
    annotations = [{**SOUND, "category_id": c, "bbox": [c, 0, 9, 9]} for c in (0, 1, 7)]
    truth = load(tmp_path, coco(annotations, categories=categories))
    assert truth.categories == ((0, "person"), (1, "cat"))
    assert [a["category_id"] for a in truth.annotations] == [0, 1, 0]
    assert truth.notes == ("the categories 0, 7 are all called 'person' and count as one class",)


def test_whole_numbers_may_be_floats_or_text(tmp_path: Path) -> None:
    images = [
        {"id": "000000001353", "file_name": "image_000.png", "width": 96.0, "height": "72"},
        {"id": 7.0, "file_name": "image_001.png", "width": "96.0", "height": 72},
    ]
    runs = {"size": ["72", 96.0], "counts": [0, 96 * 72.0]}
    annotations = [
        {"image_id": 1353, "category_id": "1", "bbox": [1.0, "2", 3, 4], "iscrowd": "0", "segmentation": runs},
        {"image_id": "7", "category_id": 2.0, "bbox": [1, 2, 3, 4], "iscrowd": True, "area": "5.5"},
    ]
    truth = load(tmp_path, coco(annotations, images=images))
    assert truth.notes == ("1 labels have no outline and count only as boxes",)
    assert dict(truth.sizes_wh) == {7: (96, 72), 1353: (96, 72)}
    first, second = truth.annotations
    assert (first["image_id"], first["category_id"], first["bbox"], first["iscrowd"]) == (1353, 1, [1, 2, 3, 4], 0)
    assert first["segmentation"] == {"size": [72, 96], "counts": [0, 6912]} and first["area"] == 6912
    assert (second["image_id"], second["category_id"], second["iscrowd"], second["area"]) == (7, 2, 1, 5.5)


def test_an_area_that_is_not_there_is_that_of_the_mask_or_else_of_the_box(tmp_path: Path) -> None:
    outline = [[0, 0, 10, 0, 10, 10], [20, 20, 30, 20, 30, 30]]
    mask = coco_mask.merge(coco_mask.frPyObjects(outline, 72, 96))
    packed = {"size": [72, 96], "counts": mask["counts"].decode()}
    shapes = [outline, packed, None]
    annotations = [{**SOUND, "area": None, "segmentation": shape} for shape in shapes]
    for annotation, area in zip(load(tmp_path, coco(annotations)).annotations, (100, 100, 81), strict=True):
        assert annotation["area"] == pytest.approx(area, abs=12)  # pixels, not the shape's own area
    assert [a["area"] for a in load(tmp_path, coco(annotations)).annotations[:2]] == [float(coco_mask.area(mask))] * 2


def test_names_of_categories_may_be_numbers() -> None:
    faults = Faults()
    value = [{"id": 3, "name": 7}, {"id": 4, "name": 8.0}, {"id": "5", "name": "9"}, {"id": 6, "name": " a "}]
    assert read_categories(value, Path("x"), faults) == ((3, "7"), (4, "8"), (5, "9"), (6, "a"))
    assert len(faults) == 0
    assert read_categories([*value, {"id": 8, "name": None}, 3], Path("x"), faults)[-1] == (6, "a")
    assert "2 left out (categories[4] is {'id': 8, 'name': None}, categories[5] is 3)" in faults.tell("x")


BAD: list[tuple[object, str]] = [
    (3, "annotations[1] is 3"),
    (None, "annotations[1] is None"),
    ([[[]]], "annotations[1] is [[[]]]"),
    *(
        ({**SOUND, "image_id": v}, "annotations[1].image_id is ")
        for v in (99, None, [5], {}, True, 5.5, "five", NAN, INF, 10**400, -(2**70), "9" * 500)
    ),
    *(
        ({**SOUND, "category_id": v}, "annotations[1].category_id is ")
        for v in (99, None, [1], {}, True, 1.5, "", NAN, 10**400)
    ),
    *(
        ({**SOUND, "bbox": v}, "annotations[1].bbox is ")
        for v in ([], None, [0, 0, 0, 0], [0, 0, -3, 1], [0, 0, 5], [[0, 0, 5, 5]], {"x": 1}, "0 0 5 5")
    ),
    *(
        ({**SOUND, "bbox": [0, 0, v, 5]}, "annotations[1].bbox is ")
        for v in (NAN, INF, 10**400, 1e300, None, "a", True, [])
    ),
    *(({**SOUND, "iscrowd": v}, "annotations[1].iscrowd is ") for v in (2, "no", [], {}, 0.5, 10**400)),
]


@pytest.mark.parametrize(("annotation", "place"), BAD)
def test_a_bad_annotation_is_named_and_left_out_and_strict_stops_at_it(
    tmp_path: Path, annotation: object, place: str
) -> None:
    truth = load(tmp_path, coco([SOUND, annotation]))
    assert [a["bbox"] for a in truth.annotations] == [[0, 0, 9, 9]]
    assert f"labels.json has 1 fault: 1 left out ({place}" in truth.notes[0] and len(truth.notes[0]) < 400
    with pytest.raises(DataError) as caught:
        load(tmp_path, coco([SOUND, annotation]), strict=True)
    assert place in caught.value.message and "--strict" in caught.value.hint
    with pytest.raises(DataError, match="1 fault"):  # nothing is left to score
        load(tmp_path, coco([annotation]))


@pytest.mark.parametrize("area", [NAN, INF, -5, 10**400, "big", [], True])
def test_an_area_that_is_none_is_computed_and_named(tmp_path: Path, area: object) -> None:
    truth = load(tmp_path, coco([{**SOUND, "area": area}]))
    assert truth.annotations[0]["area"] == 81 and "1 computed (annotations[0].area is" in truth.notes[0]


def test_all_faults_stand_in_one_list_with_counts_and_the_first_few_places(tmp_path: Path) -> None:
    annotations = [SOUND, *({**SOUND, "bbox": [i]} for i in range(50)), {**SOUND, "image_id": 6}, "x"]
    categories = [{"id": 1, "name": "cat"}, {"name": "nobody"}]
    images = [*coco()["images"], {"id": 9}]
    (note,) = load(tmp_path, coco(annotations, categories=categories, images=images)).notes
    assert "labels.json has 54 faults: 1 left out (images[1].file_name is None)" in note
    assert "1 left out (categories[1] is {'name': 'nobody'})" in note
    boxes = ", ".join(f"annotations[{i + 1}].bbox is [{i}]" for i in range(3))
    assert f"50 left out ({boxes} and 47 more), expected [x, y, width, height]" in note
    assert "1 left out (annotations[51].image_id is 6), expected an id in `images`" in note
    assert "1 left out (annotations[52] is 'x'), expected an object" in note


def test_an_object_that_stands_twice_counts_once(tmp_path: Path) -> None:
    truth = load(tmp_path, coco([{"id": 1, **SOUND}, {"id": 2, **SOUND}, {**SOUND, "category_id": 2}]))
    assert [a["category_id"] for a in truth.annotations] == [1, 2]
    assert "1 counted once (annotations[1] is {'category_id': 1, 'bbox': [0.0, 0.0, 9.0, 9.0]})" in truth.notes[0]


def test_a_degenerate_part_of_an_outline_is_left_out_and_the_others_are_drawn(tmp_path: Path) -> None:
    good = [0, 0, 9, 0, 9, 9]
    truth = load(tmp_path, coco([{**SOUND, "segmentation": [[1, 1, 2, 2], good, []]}]))
    assert truth.annotations[0]["segmentation"] == [good]
    assert "1 used without that part (annotations[0].segmentation is [[1, 1, 2, 2]" in truth.notes[0]


@pytest.mark.parametrize(
    "points", ["abc", [1, 2], [1, 2, NAN], [1, 2, 10**400], [[1, 2, 2]], {}, True, [0, 0, 1] * 5000]
)
def test_bad_key_points_leave_the_box(tmp_path: Path, points: object) -> None:
    truth = load(tmp_path, coco([{**SOUND, "keypoints": points}]))
    assert len(truth.annotations) == 1 and not truth.has_keypoints
    assert "1 used without key points (annotations[0].keypoints is" in truth.notes[0]


def test_key_points_of_another_number_than_most_are_named(tmp_path: Path) -> None:
    counts = (2, 2, 3)
    annotations = [{**SOUND, "bbox": [i, 0, 5, 5], "keypoints": [1, 2, 2] * n} for i, n in enumerate(counts)]
    truth = load(tmp_path, coco(annotations))
    assert [len(a.get("keypoints", ())) for a in truth.annotations] == [6, 6, 0]
    assert "annotations[2].keypoints is [1.0" in truth.notes[0] and "expected 2 points as most have" in truth.notes[0]


def test_huge_outlines_are_named_and_never_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    zigzag = rng.uniform(0, 70, 98_000).tolist()
    outlines: list[object] = [[[0, 0] * 60_000], [zigzag], [[0, 0, 1e300, 5, 5, 5]], [[-900000, 0, 900000, 0, 0, 9]]]
    annotations = [{**SOUND, "bbox": [i, 0, 5, 5], "segmentation": one} for i, one in enumerate(outlines)]
    truth = load(tmp_path, coco(annotations))
    assert len(truth.annotations) == 4 and not truth.has_masks
    assert "annotations[0].segmentation is an outline of over 50000 points" in truth.notes[0]
    assert "4 faults" in truth.notes[0]


@pytest.mark.parametrize(
    "size", [[10**400, 1], [72, 96, 1], [1 << 20, 1 << 20], ["x", 96], [True, 96], [0, 0], None, [[72], [96]]]
)
def test_run_lengths_of_an_impossible_size_leave_the_box(tmp_path: Path, size: object) -> None:
    images = [{"id": 5, "file_name": "image_000.png"}]  # which does not say its own size
    runs = {"size": size, "counts": [1 << 40]}
    truth = load(tmp_path, coco([{**SOUND, "segmentation": runs}], images=images))
    assert not truth.has_masks and "annotations[0].segmentation is {'size':" in truth.notes[0]


def test_a_byte_order_mark_is_no_part_of_the_file_and_repeated_keys_are_refused(tmp_path: Path) -> None:
    load(tmp_path, coco())
    path = tmp_path / "labels.json"
    text = json.dumps(coco())
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes(text.encode(encoding))
        assert load_labels(path).categories == ((1, "cat"), (2, "dog"))
    path.write_text(text.replace('"bbox": [', '"bbox": [1, 1, 5, 5], "bbox": ['))
    with pytest.raises(DataError, match="key 'bbox' appears twice in one object"):
        load_labels(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested deeper"):
        load_labels(path)
    path.write_bytes(text.encode()[:-10])
    with pytest.raises(DataError, match="cannot be read as JSON"):
        load_labels(path)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.confusion import confusion_of_classes, confusion_of_objects
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import ImageEntry, Labels
from tests.evaluation.made_up import CLASSES, found

DOG, CAT, EMU, NOTHING = 0, 1, 2, 3  # rows: categories 3, 7 and 9 by their ids, then the background


def labels_of(rows: list[tuple[int, int, list[float]]], **extra: Any) -> Labels:
    annotations = tuple(
        {"id": i, "image_id": image, "category_id": c, "bbox": box, **extra} for i, (image, c, box) in enumerate(rows)
    )
    return Labels((ImageEntry(1, Path("1.jpg")),), annotations, tuple(CLASSES.names.items()), {})


def test_pairs_misses_and_detections_of_nothing_by_hand() -> None:
    labels = labels_of([(1, 7, [0, 0, 20, 20]), (1, 3, [50, 50, 20, 20]), (1, 9, [100, 100, 20, 20])])
    detections = found(
        1,
        [
            (0, 0, 20, 20, 0.9, 0),  # the cat
            (0, 0, 20, 21, 0.8, 0),  # the cat again, worse: of nothing
            (50, 50, 70, 72, 0.7, 0),  # the dog, taken for a cat
            (100, 100, 120, 120, 0.2, 2),  # the emu, but not sure enough
            (150, 0, 170, 20, 0.6, 1),  # a dog where there is none
        ],
    )
    confusion = confusion_of_objects(labels, [detections], CLASSES)
    expected = np.zeros((4, 4), int)
    expected[CAT, CAT] = expected[CAT, NOTHING] = expected[CAT, DOG] = 1
    expected[NOTHING, EMU] = expected[DOG, NOTHING] = 1
    assert confusion.names == ("dog", "cat", "emu", "background")
    assert np.array_equal(confusion.counts, expected)
    assert confusion.to_dict()["detected_by_labelled"] == expected.tolist()


def test_the_better_pair_is_formed_first() -> None:
    """Two cats side by side and one detection between, nearer to the second; another fits the first alone."""
    labels = labels_of([(1, 7, [0, 0, 20, 20]), (1, 7, [8, 0, 20, 20])])
    detections = found(1, [(6, 0, 26, 20, 0.9, 0), (0, 0, 19, 20, 0.5, 0)])
    confusion = confusion_of_objects(labels, [detections], CLASSES)
    assert confusion.counts[CAT, CAT] == 2 and confusion.counts.sum() == 2


def test_crowds_are_no_objects_and_what_lies_in_them_does_not_count() -> None:
    crowd = labels_of([(1, 7, [0, 0, 100, 100])], iscrowd=1)
    inside, of_another_class = (10, 10, 30, 30, 0.9, 0), (10, 10, 30, 30, 0.9, 1)
    counts = confusion_of_objects(crowd, [found(1, [inside, of_another_class])], CLASSES).counts
    assert counts.sum() == 1 and counts[DOG, NOTHING] == 1


def test_classes_that_the_labels_lack_and_images_without_detections() -> None:
    two = ClassMap({0: 7}, {7: "cat"})
    counts = confusion_of_objects(labels_of([(1, 7, [0, 0, 9, 9])]), [found(1, [(0, 0, 9, 9, 0.9, 2)])], two).counts
    assert counts.tolist() == [[0, 0], [1, 0]]
    assert confusion_of_objects(labels_of([]), [found(1, [])], two).counts.sum() == 0


def test_rotated_boxes_are_compared_as_such() -> None:
    labels = labels_of([(1, 7, [0, 45, 100, 10])])
    along = found(1, [(0, 45, 100, 55, 0.9, 0)])
    for angle, hit in ((0.0, 1), (np.pi / 2, 0)):
        turned = replace(along, rotated_xywhr=np.asarray([[50, 50, 100, 10, angle]], np.float32))
        assert confusion_of_objects(labels, [turned], CLASSES).counts[CAT, CAT] == hit


def test_classifiers() -> None:
    labels = Labels((), ({"image_id": 1, "category_id": 7}, {"image_id": 2, "category_id": 3}), (), {})
    rows = [found(1, [(0, 0, 0, 0, 0.9, 0), (0, 0, 0, 0, 0.1, 1)]), found(2, [(0, 0, 0, 0, 0.9, 2)])]
    confusion = confusion_of_classes(labels, rows, CLASSES)
    assert confusion.names == ("dog", "cat", "emu") and confusion.counts.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert "iou" not in confusion.to_dict()
    nothing: list[ImageDetections] = []
    assert confusion_of_classes(labels, nothing, CLASSES).counts.sum() == 0

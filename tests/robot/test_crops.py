from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.ops.rle import decode_rle
from edgekit.results import Detections, Poses, RotatedDetections, Segmentations
from edgekit.robot.config import TaskConfig
from edgekit.robot.crops import Crop, crops_of, moved
from edgekit.spec import Preprocess

SIZE_WH = (200, 120)


def parents(boxes: list[list[float]], scores: list[float], classes: list[int]) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int32),
        ("cat", "dog"),
        SIZE_WH,
        "bpu",
    )


def test_the_best_boxes_of_the_classes_with_their_margin() -> None:
    found = parents(
        [[50, 40, 90, 60], [0, 0, 20, 20], [150, 90, 199, 119], [10, 10, 60, 60]], [0.5, 0.9, 0.8, 0.7], [0, 1, 0, 0]
    )
    task = TaskConfig("m", "s", crops_of="p", classes=("cat",), margin=0.1, max_crops=2)
    assert crops_of(found, task) == [Crop(2, 145, 87, 200, 120), Crop(3, 5, 5, 65, 65)]
    assert [c.parent for c in crops_of(found, replace(task, classes=(), max_crops=9))] == [1, 2, 3, 0]
    assert crops_of(parents([], [], []), task) == []


def test_boxes_without_content_are_no_crops() -> None:
    odd = parents([[5, 5, 5, 50], [300, 10, 400, 90], [np.nan, 1, 20, 30], [10, 10, 12, 12]], [1, 1, 1, 1], [0] * 4)
    assert [crop.parent for crop in crops_of(odd, TaskConfig("m", "s", crops_of="p", margin=0))] == []


def test_a_crop_is_part_of_the_frame() -> None:
    frame = np.arange(120 * 200 * 3, dtype=np.int64).reshape(120, 200, 3).astype(np.uint8)
    np.testing.assert_array_equal(Crop(0, 20, 10, 50, 40).of(frame), frame[10:40, 20:50])


CROP = Crop(0, 60, 30, 140, 90)


def in_crop() -> dict[str, Any]:
    box = np.array([[10, 5, 50, 45]], np.float32)
    names = ("boxes_xyxy", "scores", "class_ids", "names", "size_wh", "device")
    return dict(
        zip(names, (box, np.array([0.9], np.float32), np.array([0], np.int32), ("a",), (80, 60), "bpu"), strict=True)
    )


def test_boxes_points_and_rotated_boxes_are_moved() -> None:
    assert moved(Detections(**in_crop()), CROP, SIZE_WH).boxes_xyxy.tolist() == [[70, 35, 110, 75]]
    points = np.array([[[1, 2], [30, 40]]], np.float32)
    pose = moved(Poses(**in_crop(), keypoints_xy=points, visibility=np.ones((1, 2), np.float32)), CROP, SIZE_WH)
    assert pose.keypoints_xy.tolist() == [[[61, 32], [90, 70]]]
    rotated = moved(
        RotatedDetections(**in_crop(), boxes_xywhr=np.array([[30, 25, 40, 20, 0.5]], np.float32)), CROP, SIZE_WH
    )
    assert rotated.boxes_xywhr.tolist() == [[90, 55, 40, 20, 0.5]]
    assert rotated.size_wh == SIZE_WH


@pytest.mark.parametrize("input_wh", [(64, 64), (96, 64), (320, 320)])
def test_masks_are_moved_to_the_pixel(input_wh: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    letterbox = letterbox_of((80, 60), Preprocess(*input_wh))
    proto = rng.normal(0, 1, (input_wh[1] // 4, input_wh[0] // 4, 3)).astype(np.float32)
    boxes = in_crop()["boxes_xyxy"]
    masks = instance_masks(np.ones((1, 3), np.float32), proto, letterbox.apply_boxes(boxes), boxes, letterbox)
    segments = Segmentations(**in_crop(), masks=masks)
    frame = moved(segments, CROP, SIZE_WH)
    expected = np.zeros((120, 200), bool)
    expected[30:90, 60:140] = masks[0]
    assert expected.any()
    np.testing.assert_array_equal(frame.masks[0], expected)
    row = frame.to_dict()["objects"][0]
    np.testing.assert_array_equal(decode_rle(row["segmentation"]), expected)

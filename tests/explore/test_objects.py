from __future__ import annotations

import numpy as np

from edgekit.evaluation.detection_diff import State
from edgekit.explore.objects import class_rows, object_rows
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import instance_masks
from edgekit.results import Classifications, Poses, RotatedDetections, Segmentations
from tests.explore.made_up import NAMES, detections

LIMITS = {"max_numbers": 1000, "max_objects": 10}


def test_boxes_are_in_pixels_of_the_thumbnail_and_sizes_those_of_coco() -> None:
    boxes = [((0, 0, 31, 33), 0.9, 0), ((0, 0, 32, 32), 0.8, 1), ((0, 0, 96, 96), 0.7, 2)]
    rows = object_rows(detections(boxes, "sim"), ["kept", "moved", "faint"], {1: (0.95, 0.6)}, scale=0.5, **LIMITS)
    assert [row["size"] for row in rows] == [0, 1, 2]
    assert rows[1] == {
        "class": 1, "score": 0.8, "state": "moved", "size": 1, "box": [0, 0, 16, 16], "was": 0.95, "iou": 0.6,
    }  # fmt: skip


def test_changed_objects_stay_where_there_are_too_many() -> None:
    boxes = [((0, 0, 90 - i, 90 - i), 0.9 - i / 100, 0) for i in range(20)]
    kept: list[State] = ["kept"]
    states: list[State] = [*kept * 18, "lost", "gained"]
    rows = object_rows(detections(boxes, "sim"), states, {}, scale=1, max_numbers=0, max_objects=5)
    assert [row["state"] for row in rows] == ["kept"] * 3 + ["lost", "gained"]
    assert rows[0]["box"] == [0, 0, 90, 90]


def segmentations() -> Segmentations:
    """Two disks as masks, the second ten times as large."""
    letterbox = Letterbox((256, 256), (256, 256), (256, 256), 0, 0)
    y, x = np.mgrid[:64, :64]
    proto = np.stack([64.0 - (x - 12) ** 2 - (y - 12) ** 2, 256.0 - (x - 40) ** 2 - (y - 40) ** 2], axis=2)
    boxes = np.array([[16, 16, 84, 84], [96, 96, 230, 230]], np.float32)
    masks = instance_masks(np.eye(2, dtype=np.float32), proto.astype(np.float32), boxes, boxes, letterbox)
    plain = detections([((16, 16, 84, 84), 0.9, 0), ((96, 96, 230, 230), 0.8, 1)], "sim")
    return Segmentations(boxes, plain.scores, plain.class_ids, NAMES, (256, 256), "sim", masks=masks)


def test_outlines_follow_the_masks_with_few_corners() -> None:
    rows = object_rows(segmentations(), ["kept", "kept"], {}, scale=1, **LIMITS)
    for row, (center, radius) in zip(rows, ((50, 32), (162, 64)), strict=True):
        (line,) = row["outline"]
        corners = np.reshape(line, (-1, 2))
        assert 8 <= len(corners) <= 40
        assert np.abs(np.hypot(*(corners - center).T) - radius).max() < 4


def test_outlines_end_with_the_budget_and_the_changed_one_has_its() -> None:
    long = len(object_rows(segmentations(), ["kept", "kept"], {}, scale=1, **LIMITS)[0]["outline"][0])
    rows = object_rows(segmentations(), ["lost", "kept"], {}, scale=1, max_numbers=long, max_objects=10)
    assert "outline" in rows[0] and "outline" not in rows[1]


def test_rotated_boxes_and_key_points() -> None:
    plain = detections([((10, 10, 50, 50), 0.9, 0)], "sim")
    columns = (plain.boxes_xyxy, plain.scores, plain.class_ids, NAMES, plain.size_wh, "sim")
    rotated = RotatedDetections(*columns, boxes_xywhr=np.array([[30, 30, 40, 20, 0]], np.float32))
    (row,) = object_rows(rotated, ["kept"], {}, scale=2, **LIMITS)
    corners = np.reshape(row["outline"][0], (4, 2))
    assert row["rotated"] is True
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([20, 40], [100, 80])
    points = np.array([[[10, 20], [30, 40]]], np.float32)
    poses = Poses(*columns, keypoints_xy=points, visibility=np.array([[0.9, 0.1]], np.float32))
    assert object_rows(poses, ["kept"], {}, scale=0.5, **LIMITS)[0]["points"] == [[5, 10], []]


def test_nothing_detected_and_classes() -> None:
    assert object_rows(detections([], "sim"), [], {}, scale=1, **LIMITS) == []
    probabilities = np.array([0.2, 0.7, 0.1], np.float32)
    rows = class_rows(Classifications(probabilities, NAMES, (10, 10), "sim"), "gained")
    assert [(row["class"], row["state"]) for row in rows] == [(1, "gained"), (0, "faint"), (2, "faint")]

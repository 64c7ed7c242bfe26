from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.results import NO_TRACK, Detections, Poses, Segmentations
from edgekit.spec import Preprocess

BOXES = np.array([[1, 2, 3, 4]], np.float32)


def make(boxes: np.ndarray = BOXES, classes: tuple[int, ...] = (0,)) -> Detections:
    return Detections(
        boxes, np.full(len(classes), 0.5, np.float32), np.array(classes, np.int32), ("cat",), (10, 8), "bpu"
    )


def test_columns_and_labels() -> None:
    results = make()
    assert len(results) == 1
    assert results.labels == ["cat"]
    assert results.to_dict() == {
        "device": "bpu",
        "simulated": False,
        "width": 10,
        "height": 8,
        "objects": [{"class_id": 0, "name": "cat", "score": 0.5, "box_xyxy": [1.0, 2.0, 3.0, 4.0]}],
    }


def test_columns_must_agree() -> None:
    with pytest.raises(ModelError, match="boxes_xyxy is \\(2, 4\\), expected \\(1, 4\\)"):
        make(np.zeros((2, 4), np.float32))
    with pytest.raises(ModelError, match="class_ids span 1..1, expected 0..0"):
        make(classes=(1,))


def test_track_ids_go_with_their_objects() -> None:
    tracked = replace(make(np.repeat(BOXES, 3, axis=0), (0, 0, 0)), track_ids=np.array([4, NO_TRACK, 2]))
    assert [o["track_id"] for o in tracked.to_dict()["objects"]] == [4, None, 2]
    assert "track_id" not in make().to_dict()["objects"][0]
    taken = tracked.take(np.array([2, 0]))
    assert taken.track_ids is not None and taken.track_ids.tolist() == [2, 4]
    with pytest.raises(ModelError, match=r"track_ids is \(1,\), expected \(3,\)"):
        replace(tracked, track_ids=np.array([1]))


def test_what_belongs_to_an_object_is_taken_with_it() -> None:
    plain = make(np.repeat(BOXES, 3, axis=0), (0, 0, 0))
    points = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    columns = (plain.boxes_xyxy, plain.scores, plain.class_ids, plain.names, plain.size_wh, plain.device)
    pose = Poses(*columns, points, np.ones((3, 2), np.float32)).take(np.array([2]))
    np.testing.assert_array_equal(pose.keypoints_xy, points[2:])
    letterbox = letterbox_of((100, 80), Preprocess(64, 64))
    proto = np.ones((16, 16, 1), np.float32)
    boxes = plain.boxes_xyxy
    masks = instance_masks(
        np.array([[1], [-1], [1]], np.float32), proto, letterbox.apply_boxes(boxes), boxes, letterbox
    )
    both = Segmentations(*columns, masks).take(np.array([1, 2]))
    assert [bool(mask.any()) for mask in both.masks] == [False, True]

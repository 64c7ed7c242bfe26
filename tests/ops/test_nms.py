from __future__ import annotations

import numpy as np
import pytest

from edgekit.ops.nms import nms, nms_reference


def crowd(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes that overlap a lot, with scores that tie."""
    rng = np.random.default_rng(seed)
    corner = rng.random((count, 2)) * 100
    boxes = np.concatenate([corner, corner + 5 + rng.random((count, 2)) * 40], axis=1).astype(np.float32)
    return boxes, rng.random(count).astype(np.float32).round(2), rng.integers(0, 3, count).astype(np.int32)


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 900])
@pytest.mark.parametrize("iou_threshold", [0.0, 0.45, 0.7, 1.0])
def test_equals_the_definition(count: int, iou_threshold: float) -> None:
    boxes, scores, classes = crowd(count, seed=count)
    fast = nms(boxes, scores, classes, iou_threshold=iou_threshold)
    slow = nms_reference(boxes, scores, classes, iou_threshold=iou_threshold)
    np.testing.assert_array_equal(fast, slow)


def test_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [20, 20, 30, 30]], np.float32)
    scores = np.array([0.5, 0.9, 0.8, 0.1], np.float32)
    classes = np.array([0, 0, 1, 0], np.int32)
    assert nms(boxes, scores, classes, iou_threshold=0.5).tolist() == [1, 2, 3]


def test_twice_is_once() -> None:
    boxes, scores, classes = crowd(400, seed=5)
    keep = nms(boxes, scores, classes, iou_threshold=0.5)
    again = nms(boxes[keep], scores[keep], classes[keep], iou_threshold=0.5)
    assert again.tolist() == list(range(len(keep)))


def test_limit_keeps_the_best() -> None:
    boxes, scores, classes = crowd(700, seed=6)
    everything = nms(boxes, scores, classes, iou_threshold=0.5)
    np.testing.assert_array_equal(nms(boxes, scores, classes, iou_threshold=0.5, max_detections=7), everything[:7])

"""Rotated boxes: hand-computed corners, ProbIoU's known values and properties, suppression."""

from __future__ import annotations

import numpy as np

from edgekit.ops.boxes import box_iou
from edgekit.ops.rotated import enclosing_boxes, long_side_first, rotated_corners, rotated_iou, rotated_nms

QUARTER = np.float32(np.pi / 2)


def _random(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = [0, 0, 5, 5, -4], [100, 100, 40, 40, 4]
    return rng.uniform(low, high, (count, 5)).astype(np.float32)


def test_corners_by_hand() -> None:
    boxes = np.array([[10, 20, 4, 2, 0], [10, 20, 4, 2, QUARTER]], np.float32)
    upright, turned = rotated_corners(boxes)
    np.testing.assert_allclose(upright, [[8, 19], [12, 19], [12, 21], [8, 21]])
    np.testing.assert_allclose(turned, [[11, 18], [11, 22], [9, 22], [9, 18]], atol=1e-5)
    np.testing.assert_allclose(enclosing_boxes(boxes), [[8, 19, 12, 21], [9, 18, 11, 22]], atol=1e-5)


def test_one_spelling_for_each_box() -> None:
    boxes = _random(200)
    spelled = long_side_first(boxes)
    assert (spelled[:, 2] >= spelled[:, 3]).all()
    assert ((spelled[:, 4] >= 0) & (spelled[:, 4] < np.float32(np.pi))).all()
    np.testing.assert_allclose(enclosing_boxes(spelled), enclosing_boxes(boxes), atol=1e-3)
    np.testing.assert_allclose(long_side_first(spelled), spelled, atol=1e-6)


def test_overlap_is_one_with_itself_symmetric_and_turns_with_both() -> None:
    boxes = _random(30)
    overlaps = rotated_iou(boxes, boxes)
    np.testing.assert_allclose(np.diag(overlaps), 1, atol=1e-3)
    np.testing.assert_allclose(overlaps, overlaps.T, atol=1e-5)
    cos, sin = np.cos(0.7), np.sin(0.7)
    turned = boxes.copy()
    turned[:, 0], turned[:, 1] = boxes[:, 0] * cos - boxes[:, 1] * sin, boxes[:, 0] * sin + boxes[:, 1] * cos
    turned[:, 4] += np.float32(0.7)
    np.testing.assert_allclose(rotated_iou(turned, turned), overlaps, atol=1e-3)


def test_a_known_overlap() -> None:
    """Two unit squares one apart: equal covariances I/12, so the distance is 12 * 1 / 8."""
    boxes = np.array([[0, 0, 1, 1, 0], [1, 0, 1, 1, 0]], np.float32)
    expected = 1 - np.sqrt(1 - np.exp(-12 / 8))
    np.testing.assert_allclose(rotated_iou(boxes[:1], boxes[1:]), [[expected]], atol=1e-4)


def test_far_boxes_do_not_overlap_and_upright_ones_are_ranked_as_by_iou() -> None:
    base = np.array([[50, 50, 20, 10, 0]], np.float32)
    shifts = np.array([[50 + d, 50, 20, 10, 0] for d in (0, 2, 5, 10, 1000)], np.float32)
    ours = rotated_iou(base, shifts)[0]
    plain = box_iou(enclosing_boxes(base), enclosing_boxes(shifts))[0]
    assert (np.diff(ours) < 0).all()
    assert ours[-1] < 1e-3
    assert (np.diff(plain) <= 0).all()


def test_nms_is_class_aware_greedy_and_settled_after_once() -> None:
    boxes = np.array([[50, 50, 20, 10, 0], [51, 50, 20, 10, 0], [50, 50, 20, 10, QUARTER], [51, 50, 20, 10, 0]])
    boxes = boxes.astype(np.float32)
    scores = np.array([0.8, 0.9, 0.7, 0.6], np.float32)
    class_ids = np.array([0, 0, 0, 1], np.int32)
    keep = rotated_nms(boxes, scores, class_ids, iou_threshold=0.6)
    assert keep.tolist() == [1, 2, 3]
    again = rotated_nms(boxes[keep], scores[keep], class_ids[keep], iou_threshold=0.6)
    assert again.tolist() == [0, 1, 2]
    assert rotated_nms(boxes, scores, class_ids, iou_threshold=0.6, max_detections=1).tolist() == [1]


def test_nothing_in_nothing_out() -> None:
    none = np.zeros((0, 5), np.float32)
    assert rotated_nms(none, none[:, 0], np.zeros(0, np.int32), iou_threshold=0.5).shape == (0,)
    assert rotated_corners(none).shape == (0, 4, 2)
    assert enclosing_boxes(none).shape == (0, 4)
    assert rotated_iou(none, _random(2)).shape == (0, 2)

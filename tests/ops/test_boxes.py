from __future__ import annotations

import numpy as np

from edgekit.ops.boxes import box_area, box_iou, xywh_to_xyxy, xyxy_to_ltwh

EMPTY = np.zeros((0, 4), np.float32)


def test_formats_by_hand() -> None:
    xyxy = xywh_to_xyxy(np.array([[5, 6, 4, 2]], np.float32))
    assert xyxy.tolist() == [[3, 5, 7, 7]]
    assert xyxy_to_ltwh(xyxy).tolist() == [[3, 5, 4, 2]]


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    b = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(box_iou(a, b), np.array([[2 / 6, 0, 0], [0, 0, 0]]), atol=1e-6)


def test_area_of_an_inverted_box_is_none() -> None:
    assert box_area(np.array([[3, 0, 1, 5], [0, 0, 2, 3]], np.float32)).tolist() == [0, 6]


def test_empty() -> None:
    assert xywh_to_xyxy(EMPTY).shape == (0, 4)
    assert box_iou(EMPTY, EMPTY).shape == (0, 0)
    assert box_iou(np.ones((3, 4), np.float32), EMPTY).shape == (3, 0)

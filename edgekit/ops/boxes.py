"""Axis-aligned boxes: formats and overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
TINY = np.finfo(np.float32).tiny  # so that two empty boxes overlap by 0


def xywh_to_xyxy(boxes_xywh: Boxes) -> Boxes:
    """Centre and size (n, 4) to corners (n, 4)."""
    half = boxes_xywh[:, 2:] / 2
    return np.concatenate([boxes_xywh[:, :2] - half, boxes_xywh[:, :2] + half], axis=1)


def xyxy_to_ltwh(boxes_xyxy: Boxes) -> Boxes:
    """Corners (n, 4) to left, top, width, height (n, 4), as COCO writes boxes."""
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)


def box_area(boxes_xyxy: Boxes) -> npt.NDArray[np.float32]:
    """Areas (n,); a box turned inside out has none."""
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def box_iou(a_xyxy: Boxes, b_xyxy: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of every pair: (n, 4) and (m, 4) to (n, m); 0 where both are empty."""
    a, b = a_xyxy[:, :, None], np.ascontiguousarray(b_xyxy.T)  # sides apart: whole rows for the vector units
    inter, height = np.minimum(a[:, 2], b[2]), np.minimum(a[:, 3], b[3])  # worked on in place: n * m numbers each
    inter -= np.maximum(a[:, 0], b[0])
    height -= np.maximum(a[:, 1], b[1])
    none = np.zeros(len(b_xyxy), np.float32)  # as a row: numpy's maximum with one number is twice as slow
    np.maximum(inter, none, out=inter)
    np.maximum(height, none, out=height)
    inter *= height
    areas = box_area(b_xyxy)
    union = np.add((areas if a_xyxy is b_xyxy else box_area(a_xyxy))[:, None], areas + TINY, out=height)
    union -= inter
    inter /= union
    return np.asarray(inter, np.float32)

"""Axis-aligned boxes: formats and overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
TINY = np.finfo(np.float32).tiny  # so that two empty boxes overlap by 0


def xywh_to_xyxy(boxes_xywh: Boxes) -> Boxes:
    """Convert boxes from center and size to corners.

    Args:
        boxes_xywh: (n, 4) float32.

    Returns:
        (n, 4) float32: left, top, right, bottom.
    """
    half = boxes_xywh[:, 2:] / 2
    return np.concatenate([boxes_xywh[:, :2] - half, boxes_xywh[:, :2] + half], axis=1)


def xyxy_to_ltwh(boxes_xyxy: Boxes) -> Boxes:
    """Convert boxes from corners to left, top, width, height, as COCO writes them.

    Args:
        boxes_xyxy: (n, 4) float32.

    Returns:
        (n, 4) float32.
    """
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)


def box_area(boxes_xyxy: Boxes) -> npt.NDArray[np.float32]:
    """Return the areas of boxes.

    Args:
        boxes_xyxy: (n, 4) float32.

    Returns:
        (n,) float32; a box turned inside out has none.
    """
    return _areas(boxes_xyxy.T)


def box_iou(a_xyxy: Boxes, b_xyxy: Boxes) -> npt.NDArray[np.float32]:
    """Return the intersection over union of every pair of boxes.

    Args:
        a_xyxy: (n, 4) float32.
        b_xyxy: (m, 4) float32.

    Returns:
        (n, m) float32 in 0..1; 0 for two empty boxes.
    """
    a = np.ascontiguousarray(a_xyxy.T)  # columns: whole rows of boxes for the vector units
    b = a if b_xyxy is a_xyxy else np.ascontiguousarray(b_xyxy.T)
    sides = np.minimum(a[2:, :, None], b[2:, None])  # worked on in place: n * m numbers each
    sides -= np.maximum(a[:2, :, None], b[:2, None])
    np.maximum(sides, 0, out=sides)
    inter = sides[0] * sides[1]
    b_areas = _areas(b)
    union = np.add((b_areas if a is b else _areas(a))[:, None], b_areas + TINY, out=sides[0])
    union -= inter
    inter /= union
    return np.asarray(inter, np.float32)


def _areas(columns: Boxes) -> npt.NDArray[np.float32]:
    """Return the areas (n,) of boxes given as columns (4, n)."""
    sides = np.maximum(columns[2:] - columns[:2], 0)
    return np.asarray(sides[0] * sides[1], np.float32)

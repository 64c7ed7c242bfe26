"""Rotated boxes: corners, overlap by ProbIoU, and suppression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rotated = npt.NDArray[np.float32]  # (n, 5): centre x, y, width, height in pixels, angle in radians
Floats = npt.NDArray[np.float32]
EPSILON = 1e-7
MAX_DISTANCE = 100.0  # Bhattacharyya distance beyond which exp(-d) is nothing


def rotated_corners(boxes_xywhr: Rotated) -> Floats:
    """Return the corners of rotated boxes.

    Args:
        boxes_xywhr: (n, 5) float32.

    Returns:
        (n, 4, 2) float32 pixels, in the order of the box's own top-left, top-right, bottom-right, bottom-left.
    """
    centres, sizes = boxes_xywhr[:, None, :2], boxes_xywhr[:, None, 2:4]
    x, y = np.moveaxis(sizes * np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32), 2, 0)
    cos, sin = np.cos(boxes_xywhr[:, 4:]), np.sin(boxes_xywhr[:, 4:])
    return np.asarray(centres + np.stack([x * cos - y * sin, x * sin + y * cos], axis=2), np.float32)


def long_side_first(boxes_xywhr: Rotated) -> Rotated:
    """Return the same boxes with width >= height and the angle in [0, pi): one spelling for each box.

    Args:
        boxes_xywhr: (n, 5) float32.

    Returns:
        (n, 5) float32.
    """
    turned = boxes_xywhr[:, 3] > boxes_xywhr[:, 2]
    width, height = boxes_xywhr[:, 2:4].max(axis=1), boxes_xywhr[:, 2:4].min(axis=1)
    angle = np.mod(boxes_xywhr[:, 4] + np.where(turned, np.pi / 2, 0), np.pi)
    angle[angle >= np.float32(np.pi)] = 0  # float32 may round the largest remainder up to pi
    return np.stack([boxes_xywhr[:, 0], boxes_xywhr[:, 1], width, height, angle], axis=1).astype(np.float32)


def enclosing_boxes(boxes_xywhr: Rotated) -> Floats:
    """Return the upright boxes around rotated ones.

    Args:
        boxes_xywhr: (n, 5) float32.

    Returns:
        (n, 4) float32 xyxy.
    """
    corners = rotated_corners(boxes_xywhr)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def rotated_iou(a_xywhr: Rotated, b_xywhr: Rotated) -> Floats:
    """Return the overlap of every pair of rotated boxes: ProbIoU (arXiv 2106.06072), as Ultralytics uses.

    Each box is a Gaussian with the box's covariance; the overlap is 1 minus their Hellinger distance.

    Args:
        a_xywhr: (n, 5) float32.
        b_xywhr: (m, 5) float32.

    Returns:
        (n, m) float32 in 0..1.
    """
    ax, ay, a_xx, a_yy, a_xy = (v[:, None] for v in _gaussians(a_xywhr))
    bx, by, b_xx, b_yy, b_xy = (v[None] for v in _gaussians(b_xywhr))
    xx, yy, xy = a_xx + b_xx, a_yy + b_yy, a_xy + b_xy
    determinant = xx * yy - xy**2
    dx, dy = ax - bx, ay - by
    between = ((xx * dy**2 + yy * dx**2) / 4 - xy * dx * dy / 2) / (determinant + EPSILON)
    own = np.maximum(a_xx * a_yy - a_xy**2, 0) * np.maximum(b_xx * b_yy - b_xy**2, 0)
    shapes = np.log(determinant / (4 * np.sqrt(own) + EPSILON) + EPSILON) / 2
    distance = np.clip(between + shapes, EPSILON, MAX_DISTANCE)
    return np.asarray(1 - np.sqrt(1 - np.exp(-distance) + EPSILON), np.float32)


def rotated_nms(
    boxes_xywhr: Rotated,
    scores: Floats,
    class_ids: npt.NDArray[np.int32],
    *,
    iou_threshold: float,
    max_detections: int = 300,
) -> npt.NDArray[np.intp]:
    """Suppress rotated boxes that a better one of the same class overlaps.

    Args:
        boxes_xywhr: (n, 5) float32.
        scores: (n,) float32; equal ones keep the order of the input.
        class_ids: (n,) int32.
        iou_threshold: Overlap (0..1, ProbIoU) above which the lower score goes.
        max_detections: Boxes kept.

    Returns:
        Indices (k,) of the kept boxes, best first.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[np.intp] = []
    while len(left) and len(kept) < max_detections:
        best, left = left[0], left[1:]
        kept.append(best)
        overlaps = rotated_iou(boxes_xywhr[best : best + 1], boxes_xywhr[left])[0]
        left = left[~((overlaps > iou_threshold) & (class_ids[left] == class_ids[best]))]
    return np.asarray(kept, np.intp)


def _gaussians(boxes_xywhr: Rotated) -> tuple[npt.NDArray[np.float64], ...]:
    """Return center x, y and covariance xx, yy, xy of uniform boxes: variance side^2 / 12 along their own axes."""
    x, y, width, height, angle = boxes_xywhr.astype(np.float64).T
    along, across = width**2 / 12, height**2 / 12
    cos, sin = np.cos(angle), np.sin(angle)
    xx, yy = along * cos**2 + across * sin**2, along * sin**2 + across * cos**2
    return x, y, xx, yy, (along - across) * cos * sin

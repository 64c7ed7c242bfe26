"""Matching rotated boxes with labels: ProbIoU in place of IoU, otherwise as COCO matches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.coco import Matches
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.precision import IOU_THRESHOLDS, ClassMatches
from edgekit.ops.rotated import rotated_iou

__all__ = ["match_rotated", "outline_to_xywhr", "rotated_label"]

RotatedBox = npt.NDArray[np.float32]  # (5,): x, y, width, height, angle
MAX_DETECTIONS = 100  # per image and class, as COCO counts


def match_rotated(labels: Labels, detections: Iterable[ImageDetections], classes: ClassMap) -> Matches:
    """Match oriented detections with oriented labels, class by class and image by image.

    Args:
        labels: Outlines, or boxes as boxes with an angle of 0.
        detections: Of each image; those that could not be read are skipped.
        classes: Which class of the model is which category.

    Returns:
        The matches, of the area range "all".
    """
    readable = [image for image in detections if not image.error]
    boxes = _boxes_by_image(labels)
    tables = {
        category: _table([_image_rows(image, boxes, category, classes) for image in readable])
        for category in sorted(set(classes.category_of.values()))
    }
    objects = {category: int(table.objects.sum()) for category, table in tables.items()}
    return Matches(tuple(image.image_id for image in readable), {"all": tables}, objects)


def outline_to_xywhr(points: Sequence[float]) -> RotatedBox:
    """Return the smallest rotated box around an outline.

    Args:
        points: x1, y1, x2, y2, ... in pixels.

    Returns:
        float32 (5,): x, y, width, height in pixels, angle in radians.
    """
    corners = np.asarray(points, np.float32).reshape(-1, 2)
    (x, y), (width, height), degrees = cv2.minAreaRect(corners)
    return np.asarray([x, y, width, height, math.radians(degrees)], np.float32)


def _boxes_by_image(labels: Labels) -> Mapping[tuple[int, int], RotatedBox]:
    """Return the boxes (n, 5) by image and category."""
    rows: dict[tuple[int, int], list[RotatedBox]] = {}
    for annotation in labels.annotations:
        key = annotation["image_id"], annotation["category_id"]
        rows.setdefault(key, []).append(rotated_label(annotation))
    return {key: np.stack(boxes) for key, boxes in rows.items()}


def rotated_label(annotation: Mapping[str, Any]) -> RotatedBox:
    """Return the box around a label's outline; one with only an upright box has an angle of 0.

    Args:
        annotation: As COCO has it.

    Returns:
        float32 (5,): x, y, width, height in pixels, angle in radians.
    """
    outlines = annotation.get("segmentation")
    if isinstance(outlines, list) and outlines and len(outlines[0]) >= 6:
        return outline_to_xywhr(outlines[0])
    x, y, width, height = annotation["bbox"]
    return np.asarray([x + width / 2, y + height / 2, width, height, 0], np.float32)


def _image_rows(
    image: ImageDetections, boxes: Mapping[tuple[int, int], RotatedBox], category: int, classes: ClassMap
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], int]:
    """Return scores (n,) and hits (t, n) of one class on one image, best first, and the number of its objects."""
    expected = boxes.get((image.image_id, category), np.zeros((0, 5), np.float32))
    of_class = [i for i, c in enumerate(image.class_ids.tolist()) if classes.category_of.get(c) == category]
    order = sorted(of_class, key=lambda i: -float(image.scores[i]))[:MAX_DETECTIONS]
    assert image.rotated_xywhr is not None
    return image.scores[order], greedy_hits(rotated_iou(image.rotated_xywhr[order], expected)), len(expected)


def greedy_hits(overlaps: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return hits (t, n) of overlaps (n, m): each detection in turn takes the best free object above the threshold."""
    hits = np.zeros((len(IOU_THRESHOLDS), overlaps.shape[0]), np.bool_)
    for t, threshold in enumerate(IOU_THRESHOLDS):
        free = np.ones(overlaps.shape[1], np.bool_)
        for i, row in enumerate(overlaps):
            candidates = np.where(free, row, -1)
            best = int(candidates.argmax()) if candidates.size else -1
            if best >= 0 and candidates[best] >= threshold:
                hits[t, i], free[best] = True, False
    return hits


def _table(rows: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], int]]) -> ClassMatches:
    objects = np.asarray([count for _, _, count in rows], np.int64)
    index = np.repeat(np.arange(len(rows)), [len(scores) for scores, _, _ in rows])
    scores = np.concatenate([scores for scores, _, _ in rows]).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([hits for _, hits, _ in rows], axis=1)[:, order]
    return ClassMatches(index[order], hits, np.zeros_like(hits), objects, scores[order])

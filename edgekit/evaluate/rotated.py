"""Matching rotated boxes with labels: ProbIoU in the place of IoU, otherwise as COCO matches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.evaluate.classes import ClassMap
from edgekit.evaluate.coco import Matches
from edgekit.evaluate.labels import Labels
from edgekit.evaluate.precision import IOU_THRESHOLDS, ClassMatches
from edgekit.evaluate.predictions import ImageDetections
from edgekit.ops.rotated import rotated_iou

Rotated = npt.NDArray[np.float32]


def match_rotated(truth: Labels, found: Iterable[ImageDetections], classes: ClassMap) -> Matches:
    """Matches oriented detections with oriented labels, class by class and image by image."""
    readable = [image for image in found if not image.error]
    labels = _labels_by_place(truth)
    tables = {
        category: _table([_image_rows(p, labels, category, classes) for p in readable])
        for category in sorted(set(classes.category_of.values()))
    }
    objects = {category: int(one.objects.sum()) for category, one in tables.items()}
    return Matches(tuple(p.image_id for p in readable), {"all": tables}, objects)


def outline_to_xywhr(points: Sequence[float]) -> Rotated:
    """The rotated box (5,) of an outline x1, y1, x2, y2, ... in pixels; the angle in radians."""
    corners = np.asarray(points, np.float32).reshape(-1, 2)
    (x, y), (width, height), degrees = cv2.minAreaRect(corners)
    return np.asarray([x, y, width, height, math.radians(degrees)], np.float32)


def _labels_by_place(truth: Labels) -> Mapping[tuple[int, int], Rotated]:
    rows: dict[tuple[int, int], list[Rotated]] = {}
    for annotation in truth.annotations:
        place = annotation["image_id"], annotation["category_id"]
        rows.setdefault(place, []).append(_rotated_label(annotation))
    return {place: np.stack(boxes) for place, boxes in rows.items()}


def _rotated_label(annotation: Mapping[str, Any]) -> Rotated:
    """The outline's box; a label with an upright box alone is one with an angle of 0."""
    outlines = annotation.get("segmentation")
    if isinstance(outlines, list) and outlines and len(outlines[0]) >= 6:
        return outline_to_xywhr(outlines[0])
    x, y, width, height = annotation["bbox"]
    return np.asarray([x + width / 2, y + height / 2, width, height, 0], np.float32)


def _image_rows(
    image: ImageDetections, labels: Mapping[tuple[int, int], Rotated], category: int, classes: ClassMap
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], int]:
    """Scores (n,), hits (t, n) of one class on one image, best first, and how many objects there are."""
    truth = labels.get((image.image_id, category), np.zeros((0, 5), np.float32))
    mine = [i for i, c in enumerate(image.class_ids.tolist()) if classes.category_of.get(c) == category]
    order = sorted(mine, key=lambda i: -float(image.scores[i]))[:100]
    assert image.rotated_xywhr is not None
    return image.scores[order], greedy_hits(rotated_iou(image.rotated_xywhr[order], truth)), len(truth)


def greedy_hits(overlaps: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(t, n) of overlaps (n, m): each detection in turn takes the best free object above the threshold."""
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
    order = np.argsort(-np.concatenate([scores for scores, _, _ in rows]), kind="stable")
    hits = np.concatenate([hits for _, hits, _ in rows], axis=1)[:, order]
    return ClassMatches(index[order], hits, np.zeros_like(hits), objects)

"""Detections as rows of the page's data: boxes, outlines and key points in pixels of the thumbnail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from edgekit.evaluation.detection_diff import State
from edgekit.results import Classifications, Detections, Poses, RotatedDetections, Segmentations

__all__ = ["class_rows", "object_rows"]

MAX_SIDES = (32, 96)  # of small and medium objects, as COCO counts: the square root of the area in pixels
TOLERANCE = 0.8  # pixels of the thumbnail that a simplified outline may be off
MIN_AREA = 6.0  # square pixels of the thumbnail; smaller specks are left out
MIN_VISIBILITY = 0.5
CHANGED: frozenset[State] = frozenset({"lost", "gained", "moved"})


def object_rows(
    results: Detections,
    states: Sequence[State],
    matches: Mapping[int, tuple[float, float]],
    *,
    scale: float,
    max_numbers: int,
    max_objects: int,
) -> list[dict[str, Any]]:
    """Describe the objects of one model on one image.

    Args:
        results: n objects.
        states: State of each.
        matches: Row -> score of its match in the reference and IoU with it.
        scale: Thumbnail pixels per pixel of the image.
        max_numbers: Coordinates that all outlines together may have; objects beyond have their boxes alone.
        max_objects: Most objects, the changed ones first.

    Returns:
        Plain JSON values, best first.
    """
    areas = [float((x2 - x1) * (y2 - y1)) for x1, y1, x2, y2 in results.boxes_xyxy]
    order = sorted(range(len(results)), key=lambda i: (states[i] not in CHANGED, states[i] == "faint", -areas[i]))
    rows: dict[int, dict[str, Any]] = {}
    for index in order[:max_objects]:
        row: dict[str, Any] = {
            "class": int(results.class_ids[index]),
            "score": round(float(results.scores[index]), 3),
            "state": states[index],
            "size": _size_of(areas[index]),
            "box": _numbers(results.boxes_xyxy[index], scale),
        }
        if index in matches:
            row["was"], row["iou"] = (round(value, 3) for value in matches[index])
        shape = _shape(results, index, scale)
        count = sum(len(line) for line in shape.get("outline", ()))
        if count <= max_numbers:
            max_numbers -= count
            row |= shape
        rows[index] = row
    return [rows[index] for index in sorted(rows)]


def class_rows(results: Classifications, state: State) -> list[dict[str, Any]]:
    """Describe what a classifier says of an image: its best classes, of which the first has the state.

    Args:
        results: Of one image.
        state: Of the first class.

    Returns:
        Plain JSON values, best first; there are no boxes.
    """
    return [
        {"class": class_id, "score": round(score, 3), "state": state if rank == 0 else "faint", "size": 2}
        for rank, (class_id, score) in enumerate(results.top())
    ]


def _size_of(area: float) -> int:
    """Return 0 for small, 1 for medium, 2 for large objects."""
    return sum(area >= side * side for side in MAX_SIDES)


def _shape(results: Detections, index: int, scale: float) -> dict[str, Any]:
    """Return what a task has besides the box: outlines, a rotated box, or key points."""
    if isinstance(results, Segmentations):
        return {"outline": _outlines(results.masks.polygons(index), scale)}
    if isinstance(results, RotatedDetections):
        return {"outline": [_numbers(results.corners_xy[index].reshape(-1), scale)], "rotated": True}
    if isinstance(results, Poses):
        visible = results.visibility[index] >= MIN_VISIBILITY
        points = zip(results.keypoints_xy[index], visible, strict=True)
        return {"points": [_numbers(xy, scale) if is_visible else [] for xy, is_visible in points]}
    return {}


def _outlines(polygons: Sequence[Sequence[float]], scale: float) -> list[list[int]]:
    """Return the outlines with the fewest corners that are near enough."""
    lines = []
    for polygon in polygons:
        points = np.asarray(polygon, np.float32).reshape(-1, 1, 2) * scale
        if cv2.contourArea(points) >= MIN_AREA:
            corners = cv2.approxPolyDP(points, TOLERANCE, True).reshape(-1)
            lines.append([int(value) for value in np.rint(corners)])
    return [line for line in lines if len(line) >= 6]


def _numbers(values: Any, scale: float) -> list[float]:
    return [round(float(value) * scale, 1) for value in values]

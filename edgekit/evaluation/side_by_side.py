"""The detections of two models side by side, with those marked that only one of them has."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.evaluation.detection_diff import DetectionDiff, MatchedDetection
from edgekit.results import Detections

__all__ = ["side_by_side"]

BgrImage = npt.NDArray[np.uint8]
GAP = 8  # pixels between the two
MARK, EDGE = (0, 255, 255), (0, 0, 0)  # yellow with a black edge: visible on every palette colour and image


def side_by_side(image_bgr: BgrImage, a: Detections, b: Detections, change: DetectionDiff) -> BgrImage:
    """Draw the detections of A left and of B right; lost ones are marked on A, gained and moved ones on B.

    Args:
        image_bgr: (h, w, 3) uint8.
        a: Of the reference.
        b: Of the other model.
        change: What differs.

    Returns:
        (h, 2 w + GAP, 3) uint8.
    """
    left, right = a.draw(image_bgr), b.draw(image_bgr)
    _mark(left, change.lost, "LOST")
    _mark(right, change.gained, "GAINED")
    _mark(right, change.moved, "MOVED")
    return np.hstack([left, np.full((image_bgr.shape[0], GAP, 3), 255, np.uint8), right])


def _mark(image: BgrImage, detections: Sequence[MatchedDetection], word: str) -> None:
    """Draw, in place, a frame around each box and what it is at its lower left, inside the image."""
    height = image.shape[0]
    size = max(0.5, height / 1000)
    for detection in detections:
        x1, y1, x2, y2 = (round(value) for value in detection.box_xyxy)
        at = max(2, x1), min(height - 6, y2 + round(30 * size))
        text = f"{word} {detection.name} {detection.score:.2f}"
        for color, width in ((EDGE, 6), (MARK, 2)):
            cv2.rectangle(image, (x1 - 3, y1 - 3), (x2 + 3, y2 + 3), color, width)
            cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, width, cv2.LINE_AA)

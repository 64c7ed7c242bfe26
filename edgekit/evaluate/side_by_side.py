"""Two models' images of one image beside each other, with the detections marked that only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.results import Detections

if TYPE_CHECKING:
    from edgekit.evaluate.compare import DetectionDiff, MatchedDetection

Image = npt.NDArray[np.uint8]
GAP = 8  # pixels between the two
MARK, EDGE = (0, 255, 255), (0, 0, 0)  # yellow with a black edge: seen on every palette colour and image


def side_by_side(bgr: Image, a: Detections, b: Detections, change: DetectionDiff) -> Image:
    """A left and B right, (h, 2 w + GAP, 3); what was lost is marked on A, what was gained or moved on B."""
    left, right = a.draw(bgr), b.draw(bgr)
    _mark(left, change.lost, "LOST")
    _mark(right, change.gained, "GAINED")
    _mark(right, change.moved, "MOVED")
    return np.hstack([left, np.full((bgr.shape[0], GAP, 3), 255, np.uint8), right])


def _mark(image: Image, seen: Sequence[MatchedDetection], word: str) -> None:
    """A frame around each box and what it is at its lower left, inside the image; drawn in place."""
    height = image.shape[0]
    size = max(0.5, height / 1000)
    for one in seen:
        x1, y1, x2, y2 = (round(value) for value in one.box_xyxy)
        at = max(2, x1), min(height - 6, y2 + round(30 * size))
        text = f"{word} {one.name} {one.score:.2f}"
        for color, width in ((EDGE, 6), (MARK, 2)):
            cv2.rectangle(image, (x1 - 3, y1 - 3), (x2 + 3, y2 + 3), color, width)
            cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, width, cv2.LINE_AA)

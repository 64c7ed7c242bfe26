"""Key points and the bones between them, drawn on an image."""

from __future__ import annotations

import cv2
import numpy as np

from edgekit.labels import COCO_SKELETON, class_color_bgr
from edgekit.output.text_style import WHITE, Image, line_thickness
from edgekit.results import Poses

SEEN = 0.5  # a point below this visibility is not drawn, nor are its bones
COCO_POINTS = 17  # other sets of points have no known bones


def draw_skeleton(image: Image, results: Poses, index: int) -> None:
    """The seen key points of one object, joined where they are COCO's 17."""
    points = np.rint(results.keypoints_xy[index]).astype(int)
    seen = results.visibility[index] >= SEEN
    width = line_thickness(image)
    if len(points) == COCO_POINTS:
        for bone, (a, b) in enumerate(COCO_SKELETON):
            if seen[a] and seen[b]:
                cv2.line(image, _xy(points[a]), _xy(points[b]), class_color_bgr(bone), width, cv2.LINE_AA)
    for number in np.flatnonzero(seen):
        cv2.circle(image, _xy(points[number]), width + 1, WHITE, -1, cv2.LINE_AA)
        cv2.circle(image, _xy(points[number]), width, class_color_bgr(int(number)), -1, cv2.LINE_AA)


def _xy(point: np.ndarray) -> tuple[int, int]:
    """Within what OpenCV draws: far outside points would overflow its fixed-point lines."""
    x, y = np.clip(point, -(1 << 14), 1 << 14)
    return int(x), int(y)

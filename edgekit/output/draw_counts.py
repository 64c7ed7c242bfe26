"""Lines and zones with their counts, drawn on an annotated image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.ops.draw import DARK, Image, draw_text, line_thickness
from edgekit.tracking.counting import CountState
from edgekit.tracking.shapes import Line, Shape, scaled

__all__ = ["draw_counts"]

COLOR_BGR = (60, 200, 255)
ARROW = 0.03  # the length of the arrow that shows which way is in, of the image's smaller side
COORDINATE_LIMIT = 1 << 14  # OpenCV's fixed-point lines overflow beyond


def draw_counts(image: Image, shapes: Sequence[Shape], counts: CountState) -> None:
    """Draw every line and zone and its totals onto `image` (h, w, 3) uint8, in place."""
    for shape in shapes:
        corners = scaled(shape, (image.shape[1], image.shape[0]))
        points = np.rint(np.clip(corners, -COORDINATE_LIMIT, COORDINATE_LIMIT)).astype(np.int32)
        closed = not isinstance(shape, Line)
        cv2.polylines(image, [points], closed, COLOR_BGR, line_thickness(image), cv2.LINE_AA)
        if isinstance(shape, Line):
            _draw_arrow(image, corners)
            totals = f"in {counts.total(shape.name, 'in')} out {counts.total(shape.name, 'out')}"
        else:
            entered, left = counts.total(shape.name, "enter"), counts.total(shape.name, "leave")
            totals = f"{entered - left} inside, {entered} entered"
        x, y = points[0]
        draw_text(image, f"{shape.name}: {totals}", (int(x), int(y)), DARK)


def _draw_arrow(image: Image, line_xy: npt.NDArray[np.float64]) -> None:
    """Draw which way over a line is in: to the left of the way from its start to its end."""
    along = line_xy[1] - line_xy[0]
    left = np.array([along[1], -along[0]]) / np.hypot(*along) * ARROW * min(image.shape[:2])
    middle = line_xy.mean(axis=0)
    start, end = (np.clip(p, -COORDINATE_LIMIT, COORDINATE_LIMIT).round().astype(int) for p in (middle, middle + left))
    cv2.arrowedLine(
        image, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), COLOR_BGR, line_thickness(image), cv2.LINE_AA
    )

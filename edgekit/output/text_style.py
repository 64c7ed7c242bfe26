"""Text and line widths that suit an image's size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Color = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, DARK = (255, 255, 255), (30, 30, 30)


def draw_text(image: Image, text: str, corner_xy: tuple[int, int], color: Color) -> int:
    """Text on a plate that stands on `corner_xy`, moved inside where it would leave the image.

    Gives the plate's height, for lines below each other.
    """
    height, width = image.shape[:2]
    scale, thickness = max(0.4, min(width, height) / 1200), max(1, min(width, height) // 600)
    (text_w, text_h), base = cv2.getTextSize(text, FONT, scale, thickness)
    plate_w, plate_h = text_w + 4, text_h + base + 3
    x = max(0, min(corner_xy[0], width - plate_w))
    y = min(max(corner_xy[1], plate_h), height)
    cv2.rectangle(image, (x, y - plate_h), (x + plate_w, y), color, -1)
    ink = WHITE if sum(color) < 420 else DARK
    cv2.putText(image, text, (x + 2, y - base - 1), FONT, scale, ink, thickness, cv2.LINE_AA)
    return int(plate_h)


def line_thickness(image: Image) -> int:
    """The width of box lines in pixels."""
    return max(1, round(min(image.shape[:2]) / 300))

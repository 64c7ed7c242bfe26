"""Boxes, masks, key points and text drawn on an image, in place, in sizes that suit it."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.labels import COCO_SKELETON, class_color_bgr

Image = npt.NDArray[np.uint8]
Color = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, DARK = (255, 255, 255), (30, 30, 30)
MASK_OPACITY = 0.45
MIN_VISIBILITY = 0.5  # a key point below it is not drawn, nor are its bones
COCO_POINTS = 17  # other sets of points have no known bones
MAX_COORDINATE = 1 << 14  # far outside points would overflow the fixed-point lines of OpenCV


def draw_text(image: Image, text: str, corner_xy: tuple[int, int], color: Color) -> int:
    """Draw text on a plate that stands on `corner_xy`, moved inside if it would leave the image.

    Args:
        image: (h, w, 3) uint8 BGR, drawn on.
        text: One line.
        corner_xy: The plate's lower left corner in pixels.
        color: Of the plate, BGR.

    Returns:
        The plate's height in pixels, for lines below each other.
    """
    height, width = image.shape[:2]
    scale, thickness = max(0.4, min(width, height) / 1200), max(1, min(width, height) // 600)
    (text_w, text_h), base = cv2.getTextSize(text, FONT, scale, thickness)
    plate_w, plate_h = text_w + 4, text_h + base + 3
    x = max(0, min(corner_xy[0], width - plate_w))
    y = min(max(corner_xy[1], plate_h), height)
    cv2.rectangle(image, (x, y - plate_h), (x + plate_w, y), color, -1)
    text_color = WHITE if sum(color) < 420 else DARK
    cv2.putText(image, text, (x + 2, y - base - 1), FONT, scale, text_color, thickness, cv2.LINE_AA)
    return int(plate_h)


def line_thickness(image: Image) -> int:
    """Return the width of box lines in pixels for an image (h, w, 3)."""
    return max(1, round(min(image.shape[:2]) / 300))


def draw_box(image: Image, box_xyxy: npt.NDArray[np.float32], caption: str, color: Color) -> None:
    """Draw a box and its caption.

    Args:
        image: (h, w, 3) uint8 BGR, drawn on.
        box_xyxy: (4,) pixels.
        caption: Text above the box.
        color: BGR.
    """
    left, top, right, bottom = (round(float(v)) for v in box_xyxy)
    cv2.rectangle(image, (left, top), (right, bottom), color, line_thickness(image))
    draw_text(image, caption, (left, top), color)


def draw_rotated_box(image: Image, corners_xy: npt.NDArray[np.float32], caption: str, color: Color) -> None:
    """Draw a rotated box, its caption above the highest corner.

    Args:
        image: (h, w, 3) uint8 BGR, drawn on.
        corners_xy: (4, 2) pixels.
        caption: Text above the box.
        color: BGR.
    """
    corners = np.rint(np.clip(corners_xy, -MAX_COORDINATE, MAX_COORDINATE)).astype(np.int32)
    cv2.polylines(image, [corners], True, color, line_thickness(image), cv2.LINE_AA)
    highest = corners[corners[:, 1].argmin()]
    draw_text(image, caption, (int(highest[0]), int(highest[1])), color)


def draw_mask(image: Image, mask: npt.NDArray[np.bool_], corner_xy: tuple[int, int], color: Color) -> None:
    """Tint the pixels of a mask and draw its outlines.

    Args:
        image: (H, W, 3) uint8 BGR, drawn on.
        mask: (h, w), a part of the image.
        corner_xy: The image pixel of the mask's top-left one.
        color: BGR.
    """
    if not mask.size:
        return
    x, y = corner_xy
    part = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    inside = mask.view(np.uint8)
    cv2.copyTo(cv2.LUT(part, _tint(color)), inside, part)
    outlines = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))[0]
    cv2.drawContours(image, outlines, -1, color, max(1, line_thickness(image) // 2), cv2.LINE_AA)


def draw_skeleton(image: Image, keypoints_xy: npt.NDArray[np.float32], visibility: npt.NDArray[np.float32]) -> None:
    """Draw the visible key points of one object, joined if they are COCO's 17.

    Args:
        image: (h, w, 3) uint8 BGR, drawn on.
        keypoints_xy: (points, 2) pixels.
        visibility: (points,) 0..1.
    """
    points = np.rint(keypoints_xy).astype(int)
    visible = visibility >= MIN_VISIBILITY
    width = line_thickness(image)
    if len(points) == COCO_POINTS:
        for bone, (a, b) in enumerate(COCO_SKELETON):
            if visible[a] and visible[b]:
                cv2.line(image, _xy(points[a]), _xy(points[b]), class_color_bgr(bone), width, cv2.LINE_AA)
    for number in np.flatnonzero(visible):
        cv2.circle(image, _xy(points[number]), width + 1, WHITE, -1, cv2.LINE_AA)
        cv2.circle(image, _xy(points[number]), width, class_color_bgr(int(number)), -1, cv2.LINE_AA)


@functools.lru_cache(maxsize=256)
def _tint(color_bgr: Color) -> Image:
    """Return a table (1, 256, 3) that mixes every value with the color: one pass instead of three over floats."""
    values = np.arange(256)[None, :, None] * (1 - MASK_OPACITY) + np.asarray(color_bgr) * MASK_OPACITY
    return values.astype(np.uint8)


def _xy(point: npt.NDArray[np.int64]) -> tuple[int, int]:
    x, y = np.clip(point, -MAX_COORDINATE, MAX_COORDINATE)
    return int(x), int(y)

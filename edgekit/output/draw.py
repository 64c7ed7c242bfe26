"""Results drawn on the picture: masks, boxes, labels, and whether a board or a simulation saw them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.labels import class_color_bgr
from edgekit.ops.letterbox import check_bgr
from edgekit.results import Detections, Segmentations

Picture = npt.NDArray[np.uint8]
MASK_OPACITY = 0.45
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, DARK = (255, 255, 255), (30, 30, 30)


def draw_results(bgr: Picture, results: Detections) -> Picture:
    """A copy of the picture (h, w, 3) uint8 BGR with the results on it; raises ImageError on another picture."""
    check_bgr(bgr)
    if (bgr.shape[1], bgr.shape[0]) != results.size_wh:
        raise ImageError(
            f"the picture is {bgr.shape[1]}x{bgr.shape[0]}, expected {results.size_wh[0]}x{results.size_wh[1]}",
            hint="draw on the picture that was predicted",
        )
    picture = bgr.copy()
    worst_first = range(len(results) - 1, -1, -1)  # so that the best ends up on top
    if isinstance(results, Segmentations):
        for index in worst_first:
            _draw_mask(picture, results, index)
    for index in worst_first:
        _draw_box(picture, results, index)
    if results.device != "bpu":
        _draw_text(picture, DEVICE_TAGS.get(results.device, results.device), (0, picture.shape[0]), DARK)
    return picture


DEVICE_TAGS = {"sim": "simulated int8", "hbdk-sim": "simulated int8 (hbdk-sim)", "onnxruntime": "float (onnxruntime)"}


def _draw_mask(picture: Picture, results: Segmentations, index: int) -> None:
    mask, (x, y) = results.masks.cropped(index)
    if not mask.size:
        return
    color = class_color_bgr(int(results.class_ids[index]))
    part = picture[y : y + mask.shape[0], x : x + mask.shape[1]]
    tinted = part[mask] * (1 - MASK_OPACITY) + np.asarray(color) * MASK_OPACITY
    part[mask] = tinted.astype(np.uint8)
    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))[0]
    cv2.drawContours(picture, outlines, -1, color, max(1, _thickness(picture) // 2), cv2.LINE_AA)


def _draw_box(picture: Picture, results: Detections, index: int) -> None:
    left, top, right, bottom = (round(float(v)) for v in results.boxes_xyxy[index])
    color = class_color_bgr(int(results.class_ids[index]))
    cv2.rectangle(picture, (left, top), (right, bottom), color, _thickness(picture))
    text = f"{results.names[results.class_ids[index]]} {results.scores[index]:.2f}"
    _draw_text(picture, text, (left, top), color)


def _draw_text(picture: Picture, text: str, corner_xy: tuple[int, int], color: tuple[int, int, int]) -> None:
    """Text on a plate that stands on `corner_xy`, moved inside where it would leave the picture."""
    height, width = picture.shape[:2]
    scale, thickness = max(0.4, min(width, height) / 1200), max(1, min(width, height) // 600)
    (text_w, text_h), base = cv2.getTextSize(text, FONT, scale, thickness)
    plate_w, plate_h = text_w + 4, text_h + base + 3
    x = max(0, min(corner_xy[0], width - plate_w))
    y = min(max(corner_xy[1], plate_h), height)
    cv2.rectangle(picture, (x, y - plate_h), (x + plate_w, y), color, -1)
    ink = WHITE if sum(color) < 420 else DARK
    cv2.putText(picture, text, (x + 2, y - base - 1), FONT, scale, ink, thickness, cv2.LINE_AA)


def _thickness(picture: Picture) -> int:
    return max(1, round(min(picture.shape[:2]) / 300))

"""Results drawn on the image: masks, boxes, labels, and whether a board or a simulation saw them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from edgekit.errors import ImageError
from edgekit.labels import class_color_bgr
from edgekit.ops.letterbox import check_bgr
from edgekit.output.skeleton import draw_skeleton
from edgekit.output.text_style import DARK, Image, draw_text, line_thickness
from edgekit.results import NO_TRACK, Classifications, Detections, Poses, Results, RotatedDetections, Segmentations
from edgekit.runtime.device import is_float_kind

MASK_OPACITY = 0.45


def draw_results(bgr: Image, results: Results) -> Image:
    """A copy of the image (h, w, 3) uint8 BGR with the results on it; raises ImageError on another image."""
    check_bgr(bgr)
    if (bgr.shape[1], bgr.shape[0]) != results.size_wh:
        raise ImageError(
            f"the image is {bgr.shape[1]}x{bgr.shape[0]}, expected {results.size_wh[0]}x{results.size_wh[1]}",
            hint="draw on the image that was predicted",
        )
    image = bgr.copy()
    if isinstance(results, Classifications):
        _draw_top(image, results)
    else:
        _draw_objects(image, results)
    if results.device != "bpu":
        draw_text(image, device_tag(results.device), (0, image.shape[0]), DARK)
    return image


def _draw_objects(image: Image, results: Detections) -> None:
    for layer in LAYERS[type(results)]:
        for index in range(len(results) - 1, -1, -1):  # worst first, so that the best ends up on top
            layer(image, results, index)


DEVICE_TAGS = {"sim": "simulated int8", "hbdk-sim": "simulated int8 (hbdk-sim)"}


def device_tag(kind: str) -> str:
    """What an image says of the device that computed it: "simulated int8", "float (onnxruntime-cuda)"."""
    return f"float ({kind})" if is_float_kind(kind) else DEVICE_TAGS.get(kind, kind)


def _draw_mask(image: Image, results: Segmentations, index: int) -> None:
    mask, (x, y) = results.masks.cropped(index)
    if not mask.size:
        return
    color = class_color_bgr(int(results.class_ids[index]))
    part = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    inside = mask.view(np.uint8)
    cv2.copyTo(cv2.LUT(part, _tint(color)), inside, part)
    outlines = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))[0]
    cv2.drawContours(image, outlines, -1, color, max(1, line_thickness(image) // 2), cv2.LINE_AA)


@functools.lru_cache(maxsize=256)
def _tint(color_bgr: tuple[int, int, int]) -> Image:
    """A table (1, 256, 3) that mixes every value with the colour: one pass instead of three over floats."""
    values = np.arange(256)[None, :, None] * (1 - MASK_OPACITY) + np.asarray(color_bgr) * MASK_OPACITY
    return values.astype(np.uint8)


def _draw_box(image: Image, results: Detections, index: int) -> None:
    left, top, right, bottom = (round(float(v)) for v in results.boxes_xyxy[index])
    color = class_color_bgr(int(results.class_ids[index]))
    cv2.rectangle(image, (left, top), (right, bottom), color, line_thickness(image))
    draw_text(image, _caption(results, index), (left, top), color)


def _draw_rotated(image: Image, results: RotatedDetections, index: int) -> None:
    corners = np.rint(np.clip(results.corners_xy[index], -(1 << 14), 1 << 14)).astype(np.int32)
    color = class_color_bgr(int(results.class_ids[index]))
    cv2.polylines(image, [corners], True, color, line_thickness(image), cv2.LINE_AA)
    highest = corners[corners[:, 1].argmin()]
    draw_text(image, _caption(results, index), (int(highest[0]), int(highest[1])), color)


def _draw_pose(image: Image, results: Poses, index: int) -> None:
    _draw_box(image, results, index)
    draw_skeleton(image, results, index)


def _draw_top(image: Image, results: Classifications) -> None:
    """The most probable classes as lines from the top left down, the best first."""
    height = 0
    for line, (class_id, probability) in enumerate(results.top(), start=1):
        text = f"{results.names[class_id]} {probability:.2f}"
        height = draw_text(image, text, (0, line * height), class_color_bgr(class_id))


def _caption(results: Detections, index: int) -> str:
    text = f"{results.names[results.class_ids[index]]} {results.scores[index]:.2f}"
    track_id = NO_TRACK if results.track_ids is None else int(results.track_ids[index])
    return text if track_id == NO_TRACK else f"#{track_id} {text}"


# What is drawn per object, layer by layer: a layer of all objects lies under the next.
LAYERS: dict[type[Detections], tuple[Callable[[Image, Any, int], None], ...]] = {
    Detections: (_draw_box,),
    Segmentations: (_draw_mask, _draw_box),
    Poses: (_draw_pose,),
    RotatedDetections: (_draw_rotated,),
}

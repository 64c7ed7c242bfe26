"""The letterbox: scale an image to fit, centre it, pad the rest; the only one in edgekit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.spec import Preprocess

ROUND_OFFSET = 0.1  # an odd rest pads the right and the bottom by one more, as Ultralytics does


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image lies in a model's input.

    Coordinates are continuous: pixel i covers [i, i + 1). Width and height have a scale each, since the scaled size is
    rounded to whole pixels.

    Attributes:
        source_wh: The image's size in pixels.
        size_wh: The input's size in pixels.
        resized_wh: The scaled image's size in pixels.
        left: Padding left of it; negative if it was cropped instead.
        top: Padding above it; negative if it was cropped instead.
    """

    source_wh: tuple[int, int]
    size_wh: tuple[int, int]
    resized_wh: tuple[int, int]
    left: int
    top: int

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Input pixels per source pixel, along x and y."""
        return self.resized_wh[0] / self.source_wh[0], self.resized_wh[1] / self.source_wh[1]

    def apply_points(self, points_xy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Move points (..., 2) float32 from source to input pixels."""
        return (points_xy * self._scale() + self._shift()).astype(np.float32)

    def undo_points(self, points_xy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Move points (..., 2) float32 from input to source pixels, unclipped."""
        return ((points_xy - self._shift()) / self._scale()).astype(np.float32)

    def apply_boxes(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Move boxes (n, 4) xyxy float32 from source to input pixels."""
        return self.apply_points(boxes_xyxy.reshape(-1, 2, 2)).reshape(-1, 4)

    def undo_boxes(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Move boxes (n, 4) xyxy float32 from input to source pixels, clipped to the image."""
        shift, scale, limit = np.array(((self.left, self.top) * 2, self.scale_xy * 2, self.source_wh * 2), np.float64)
        boxes = (boxes_xyxy - shift) / scale
        np.maximum(boxes, 0, out=boxes)
        np.minimum(boxes, limit, out=boxes)
        return boxes.astype(np.float32)

    def _scale(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.scale_xy)

    def _shift(self) -> npt.NDArray[np.float64]:
        return np.asarray((self.left, self.top), np.float64)


def letterbox_of(source_wh: tuple[int, int], preprocess: Preprocess) -> Letterbox:
    """Place an image in a model's input (Ultralytics' LetterBox with auto=False, scaleup=True).

    Args:
        source_wh: The image's size in pixels.
        preprocess: The input's size, and whether images are padded, cropped or stretched to it.

    Returns:
        The letterbox.

    Raises:
        ImageError: The image has no pixels.
    """
    width, height = source_wh
    if width < 1 or height < 1:
        raise ImageError(f"an image of {width}x{height} pixels has no content", hint="check the source")
    if preprocess.fit == "crop":
        return _cover_of(source_wh, preprocess)
    if preprocess.fit == "stretch":
        return Letterbox(source_wh, preprocess.size_wh, preprocess.size_wh, 0, 0)
    scale = min(preprocess.width / width, preprocess.height / height)
    resized = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (
        max(0, math.floor((whole - part) / 2 - ROUND_OFFSET + 0.5))
        for whole, part in zip(preprocess.size_wh, resized, strict=True)
    )
    return Letterbox(source_wh, preprocess.size_wh, resized, left, top)


def _cover_of(source_wh: tuple[int, int], preprocess: Preprocess) -> Letterbox:
    """Scale to cover the input, or more, cut evenly (torchvision's Resize and CenterCrop): left, top <= 0."""
    scale = max(side / own for side, own in zip(preprocess.size_wh, source_wh, strict=True)) / preprocess.crop_fraction
    resized = tuple(max(side, round(own * scale)) for side, own in zip(preprocess.size_wh, source_wh, strict=True))
    left, top = (-round((part - side) / 2) for part, side in zip(resized, preprocess.size_wh, strict=True))
    return Letterbox(source_wh, preprocess.size_wh, (resized[0], resized[1]), left, top)


def letterbox_image(
    bgr: npt.NDArray[np.uint8], preprocess: Preprocess, *, out: npt.NDArray[np.uint8] | None = None
) -> tuple[npt.NDArray[np.uint8], Letterbox]:
    """Letterbox an image.

    Args:
        bgr: (h, w, 3) uint8.
        preprocess: The input's size, padding and fit.
        out: A buffer (preprocess.height, preprocess.width, 3) uint8 to fill instead of a new one.

    Returns:
        The padded image (preprocess.height, preprocess.width, 3) uint8, and where the original lies in it.

    Raises:
        ImageError: `bgr` is no such image.
    """
    check_bgr(bgr)
    box = letterbox_of((bgr.shape[1], bgr.shape[0]), preprocess)
    canvas = np.empty((preprocess.height, preprocess.width, 3), np.uint8) if out is None else out
    if preprocess.fit == "crop":
        covering = cv2.resize(bgr, box.resized_wh, interpolation=cv2.INTER_LINEAR)
        canvas[...] = covering[-box.top : preprocess.height - box.top, -box.left : preprocess.width - box.left]
        return canvas, box
    right, bottom = box.left + box.resized_wh[0], box.top + box.resized_wh[1]
    inner = canvas[box.top : bottom, box.left : right]
    if box.resized_wh == box.source_wh:
        inner[...] = bgr
    else:
        inner[...] = cv2.resize(bgr, box.resized_wh, interpolation=cv2.INTER_LINEAR)
    for border in (canvas[: box.top], canvas[bottom:], canvas[:, : box.left], canvas[:, right:]):
        border[...] = preprocess.pad_value
    return canvas, box


def check_bgr(bgr: npt.NDArray[np.uint8]) -> None:
    """Check that an array is an image.

    Args:
        bgr: Expected as (h, w, 3) uint8 with at least one pixel.

    Raises:
        ImageError: It is something else.
    """
    shape = getattr(bgr, "shape", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or bgr.dtype != np.uint8 or 0 in shape:
        actual = f"{shape} {getattr(bgr, 'dtype', type(bgr).__name__)}"
        raise ImageError(
            f"the image is {actual}, expected (height, width, 3) uint8 in BGR order",
            hint="read it with edgekit.read_image or cv2.imread(path, cv2.IMREAD_COLOR)",
        )

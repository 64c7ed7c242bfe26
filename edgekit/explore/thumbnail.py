"""An image as a page carries it: small, compressed, as a data URI."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Thumbnail", "make_thumbnail"]

MAX_SIDES = (1024, 800, 640, 512, 400, 320, 256)  # pixels of the longer side, tried in this order
QUALITIES = (80, 62, 45)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A compressed image.

    Attributes:
        data_uri: For an `img` element.
        size_wh: In pixels.
        scale: Its pixels per pixel of the original.
    """

    data_uri: str
    size_wh: tuple[int, int]
    scale: float


def make_thumbnail(image_bgr: npt.NDArray[np.uint8], *, max_bytes: int) -> Thumbnail:
    """Compress an image to the largest size and quality that fit.

    Args:
        image_bgr: (h, w, 3) uint8; never enlarged.
        max_bytes: Of the compressed image; the smallest form is taken if none fits.

    Returns:
        The thumbnail, WebP where this OpenCV writes it, else JPEG.
    """
    height, width = image_bgr.shape[:2]
    longer = max(height, width)
    sides = [side for side in MAX_SIDES if side < longer]
    if longer <= MAX_SIDES[0]:
        sides.insert(0, longer)
    data, small = b"", image_bgr
    for side in sides or [longer]:
        small = _resized(image_bgr, side / longer)
        for quality in QUALITIES:
            kind, data = _encoded(small, quality)
            if len(data) <= max_bytes:
                break
        if len(data) <= max_bytes:
            break
    text = base64.b64encode(data).decode("ascii")
    return Thumbnail(f"data:image/{kind};base64,{text}", (small.shape[1], small.shape[0]), small.shape[1] / width)


def _resized(image_bgr: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    if scale >= 1:
        return image_bgr
    height, width = (max(1, round(side * scale)) for side in image_bgr.shape[:2])
    return np.asarray(cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(image_bgr: npt.NDArray[np.uint8], quality: int) -> tuple[str, bytes]:
    """Return the kind and the bytes of a compressed image."""
    if cv2.haveImageWriter("image.webp"):
        return "webp", cv2.imencode(".webp", image_bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    return "jpeg", cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

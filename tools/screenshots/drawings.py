"""Images put together from images: framed, captioned, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
PAPER, INK, EDGE = (255, 255, 255), (48, 35, 27), (234, 228, 223)  # BGR, the pages' own
GAP, CAPTION = 16, 34


def captioned(image: Image, words: str) -> Image:
    """Return an image in a thin frame with words below it."""
    framed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=EDGE)
    strip = np.full((CAPTION, framed.shape[1], 3), PAPER, np.uint8)
    cv2.putText(strip, words, (2, 23), cv2.FONT_HERSHEY_DUPLEX, 0.55, INK, 1, cv2.LINE_AA)
    return np.asarray(np.vstack([framed, strip]), np.uint8)


def row(images: Sequence[Image]) -> Image:
    """Return images of equal height side by side."""
    height = images[0].shape[0]
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    parts = [part for image in images for part in (image, gap)][:-1]
    return np.asarray(np.hstack(parts), np.uint8)


def column(images: Sequence[Image]) -> Image:
    """Return images of equal width one below the other."""
    gap = np.full((GAP, images[0].shape[1], 3), PAPER, np.uint8)
    parts = [part for image in images for part in (image, gap)][:-1]
    return np.asarray(np.vstack(parts), np.uint8)


def to_height(image: Image, height: int) -> Image:
    """Return an image scaled to a height."""
    width = round(image.shape[1] * height / image.shape[0])
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def fitted(image: Image, size_wh: tuple[int, int]) -> Image:
    """Return an image that covers a size, cut around its middle."""
    width, height = size_wh
    scale = max(width / image.shape[1], height / image.shape[0])
    large = cv2.resize(
        image, (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )  # fmt: skip
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.asarray(large[top : top + height, left : left + width], np.uint8)

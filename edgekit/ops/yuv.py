"""NV12 and YUV 4:4:4 in the colour range that the model was built for (BT.601, full or studio)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError, ImageError
from edgekit.preprocess import ColorRange
from edgekit.spec import COLOR_RANGES

STUDIO_LUMA = (219 / 255, 16.0)  # full-range 0..255 to studio 16..235: slope, offset
STUDIO_CHROMA = (224 / 255, 128 * (1 - 224 / 255))  # 0..255 around 128 to 16..240


def bgr_to_yuv444(bgr: npt.NDArray[np.uint8], *, color_range: ColorRange = "full") -> npt.NDArray[np.uint8]:
    """Convert BGR to YUV, BT.601.

    Full range (JFIF): Y = 0.299 R + 0.587 G + 0.114 B, U = 128 + 0.564 (B - Y), V = 128 + 0.713 (R - Y). Studio range:
    the same, squeezed to Y 16..235 and U, V 16..240.

    Args:
        bgr: (h, w, 3) uint8.
        color_range: "full" or "studio".

    Returns:
        (h, w, 3) uint8.

    Raises:
        ConfigError: The color range is unknown.
    """
    _check_range(color_range)
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)[..., (0, 2, 1)]
    if color_range == "studio":
        yuv = np.stack([_luma_table()[yuv[..., 0]], _chroma_table()[yuv[..., 1]], _chroma_table()[yuv[..., 2]]], -1)
    return np.ascontiguousarray(yuv)


def bgr_to_nv12(bgr: npt.NDArray[np.uint8], *, color_range: ColorRange = "full") -> npt.NDArray[np.uint8]:
    """Convert BGR to packed NV12; chroma is the mean of each 2x2 block.

    OpenCV's ready COLOR_BGR2YUV_I420 always gives studio range, which is not what a full-range model was calibrated
    for; hence this function.

    Args:
        bgr: (h, w, 3) uint8 with even sides.
        color_range: "full" or "studio".

    Returns:
        Flat uint8: h * w luma bytes, then h / 2 rows of UV pairs.

    Raises:
        ImageError: A side is odd.
        ConfigError: The color range is unknown.
    """
    height, width = bgr.shape[:2]
    check_even(width, height)
    _check_range(color_range)
    ycrcb = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)
    chroma = cv2.resize(ycrcb, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    out = np.empty(height * width * 3 // 2, np.uint8)
    luma = out[: height * width].reshape(height, width)
    luma[...] = ycrcb[..., 0]
    pairs = out[height * width :].reshape(height // 2, width // 2, 2)
    pairs[..., 0], pairs[..., 1] = chroma[..., 2], chroma[..., 1]
    to_color_range(luma, pairs, color_range)
    return out


def to_color_range(luma: npt.NDArray[np.uint8], pairs: npt.NDArray[np.uint8], color_range: ColorRange) -> None:
    """Squeeze full-range luma (h, w) and chroma (h/2, w/2, 2) to `color_range`, in place."""
    _check_range(color_range)
    if color_range == "studio":
        cv2.LUT(luma, _luma_table(), dst=luma)
        cv2.LUT(pairs, _chroma_table(), dst=pairs)


def nv12_to_yuv444(nv12: npt.NDArray[np.uint8], size_wh: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Convert packed NV12 to YUV: each chroma pair serves its 2x2 pixels.

    Args:
        nv12: Flat uint8 of w * h * 3 / 2.
        size_wh: Of the frame, in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ImageError: The frame has another size or dtype.
    """
    width, height = size_wh
    check_even(width, height)
    if nv12.dtype != np.uint8 or nv12.size != width * height * 3 // 2:
        raise ImageError(
            f"the NV12 frame has {nv12.size} elements of {nv12.dtype}, expected {width * height * 3 // 2} of uint8",
            hint=f"give a packed NV12 frame of {width}x{height}",
        )
    flat = nv12.reshape(-1)
    out = np.empty((height, width, 3), np.uint8)
    out[..., 0] = flat[: width * height].reshape(height, width)
    pairs = flat[width * height :].reshape(height // 2, 1, width // 2, 1, 2)
    out[..., 1:].reshape(height // 2, 2, width // 2, 2, 2)[...] = pairs
    return out


def range_tables(source: ColorRange, target: ColorRange) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the tables from one color range to another.

    Args:
        source: "full" or "studio".
        target: "full" or "studio".

    Returns:
        (256,) uint8 for luma, and for chroma.
    """
    _check_range(source)
    _check_range(target)
    if source == target:
        same = np.arange(256, dtype=np.uint8)
        return same, same
    if target == "studio":
        return _luma_table(), _chroma_table()
    return _inverse(*STUDIO_LUMA), _inverse(*STUDIO_CHROMA)


def _inverse(slope: float, offset: float) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint((np.arange(256) - offset) / slope), 0, 255).astype(np.uint8)


def _luma_table() -> npt.NDArray[np.uint8]:
    slope, offset = STUDIO_LUMA
    return np.rint(np.arange(256) * slope + offset).astype(np.uint8)


def _chroma_table() -> npt.NDArray[np.uint8]:
    slope, offset = STUDIO_CHROMA
    return np.rint(np.arange(256) * slope + offset).astype(np.uint8)


def _check_range(color_range: ColorRange) -> None:
    if color_range not in COLOR_RANGES:
        raise ConfigError(
            f"colour range {color_range!r} is unknown, expected one of {', '.join(COLOR_RANGES)}",
            hint="full fits input_space_and_range: regular, studio fits bt601_video",
        )


def check_even(width: int, height: int) -> None:
    """Raise ImageError if NV12 of this size is impossible."""
    if width % 2 or height % 2 or width < 2 or height < 2:
        raise ImageError(f"NV12 of {width}x{height} is impossible, expected even sides", hint="use even sizes")

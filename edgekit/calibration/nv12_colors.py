"""Chroma subsampling in calibration images: colours as they come back from NV12, limited to 0..255.

For a model that the board feeds in NV12 the vendor's compiler converts each calibration image to NV12 and back, and
clamps nothing. Four pixels share one chroma, so that along sharp edges of saturated colours the result overshoots 255,
up to 1.6 times, and one such edge among all images makes the input's step 1.6 times too coarse. What a camera sends
beyond 255 may saturate: the original model sees no such colours either.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.bpu import COLOR_RANGES
from edgekit.ptq.inputs import PtqInput

__all__ = ["RGB_TO_YUV", "YUV_TO_RGB", "is_limited_to_nv12", "limit_to_nv12", "nv12_planes"]

# ITU-R BT.601, full range, to the digits of the vendor's builds: Y, U - 128, V - 128 of R, G, B, and back.
RGB_TO_YUV = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
YUV_TO_RGB = np.array([[1.0, 0.0, 1.4017], [1.0, -0.3437, -0.7142], [1.0, 1.7722, 0.0]])
LARGEST = 255
NEUTRAL = 128  # chroma of grey
TOLERANCE = 2  # grey levels beyond 255 that rounding alone brings


def is_limited_to_nv12(item: PtqInput) -> bool:
    """Return whether the calibration images of an input are limited to what NV12 can represent.

    Args:
        item: The input, as the yaml has it.

    Returns:
        True for colours in NV12, full range; the conversion of studio range is not known as well.
    """
    full = COLOR_RANGES.get(item.color_space, "full") == "full"
    return item.type_rt == "nv12" and item.type_train in ("rgb", "bgr") and full


def nv12_planes(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Convert pixels to NV12 as the vendor's calibration does: rounded down, the upper left pixel's chroma for four.

    Args:
        rgb: (3, h, w) float32, R, G and B in 0..255.

    Returns:
        (3, h, w): Y, U and V in 0..255, chroma repeated for every pixel.
    """
    red, green, blue = rgb
    luma, *chroma = (
        np.floor(np.float32(r) * red + np.float32(g) * green + np.float32(b) * blue + np.float32(shift))
        for (r, g, b), shift in zip(RGB_TO_YUV, (0, NEUTRAL, NEUTRAL), strict=True)
    )  # in single precision: what should be whole falls below now and then, there, too
    return np.stack([luma, *(_shared_by_four(plane) for plane in chroma)])


def limit_to_nv12(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Replace blocks of 2 x 2 pixels that come back from NV12 brighter than 255 by their mean colour.

    Args:
        bgr: (h, w, 3) uint8.

    Returns:
        The same shape; `bgr` itself where no block has to change, or where its sides are odd, which NV12 cannot hold.
    """
    height, width = bgr.shape[:2]
    if height % 2 or width % 2:
        return bgr
    luma, *chroma = nv12_planes(bgr[..., ::-1].transpose(2, 0, 1).astype(np.float32))
    centred = np.stack([luma, *(plane - NEUTRAL for plane in chroma)])
    brightest = np.einsum("cy,yhw->chw", YUV_TO_RGB, centred).max(axis=0)
    beyond = (brightest > LARGEST + TOLERANCE).reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))
    if not beyond.any():
        return bgr
    blocks = bgr.reshape(height // 2, 2, width // 2, 2, 3)
    means = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    result = np.where(beyond[:, None, :, None, None], means[:, None, :, None], blocks)
    return result.reshape(bgr.shape)


def _shared_by_four(chroma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The upper left one of every 2 x 2 values, as bytes."""
    kept = np.clip(chroma[::2, ::2], 0, LARGEST)
    return kept.repeat(2, axis=0).repeat(2, axis=1)[: chroma.shape[0], : chroma.shape[1]]

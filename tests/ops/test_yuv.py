from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import pytest

from edgekit.errors import ConfigError, ImageError
from edgekit.ops.yuv import bgr_to_nv12, bgr_to_yuv444, nv12_to_yuv444
from edgekit.spec import ColorRange

# BT.601 by hand: Y = .299 R + .587 G + .114 B, U = 128 + .564 (B - Y), V = 128 + .713 (R - Y), saturated;
# studio: 16 + Y * 219/255, 128 + (U - 128) * 224/255.
COLOURS = {
    "white": ((255, 255, 255), (255, 128, 128), (235, 128, 128)),
    "black": ((0, 0, 0), (0, 128, 128), (16, 128, 128)),
    "red": ((0, 0, 255), (76, 85, 255), (81, 90, 240)),
    "green": ((0, 255, 0), (150, 44, 21), (145, 54, 34)),
    "blue": ((255, 0, 0), (29, 255, 107), (41, 240, 110)),
    "grey": ((114, 114, 114), (114, 128, 128), (114, 128, 128)),
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("index, color_range", [(1, "full"), (2, "studio")])
def test_colours_by_hand(colour: str, index: int, color_range: ColorRange) -> None:
    bgr = np.full((4, 6, 3), COLOURS[colour][0], np.uint8)
    expected = np.array(COLOURS[colour][index], int)
    yuv = bgr_to_yuv444(bgr, color_range=color_range).astype(int)
    assert np.abs(yuv - expected).max() <= 1
    nv12 = bgr_to_nv12(bgr, color_range=color_range)
    assert np.abs(nv12_to_yuv444(nv12, (6, 4)).astype(int) - expected).max() <= 1


def test_studio_range_agrees_with_opencv_where_chroma_is_flat() -> None:
    bgr = np.repeat(np.random.default_rng(1).integers(0, 255, (8, 8, 3), dtype=np.uint8), 2, 0).repeat(2, 1)
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1).astype(int)
    nv12 = bgr_to_nv12(bgr, color_range="studio").astype(int)
    pairs = nv12[256:].reshape(-1, 2)
    assert np.abs(nv12[:256] - i420[:256]).max() <= 2
    assert np.abs(pairs[:, 0] - i420[256:320]).max() <= 2
    assert np.abs(pairs[:, 1] - i420[320:]).max() <= 2


def test_layout_is_luma_then_uv_pairs() -> None:
    bgr = np.zeros((2, 4, 3), np.uint8)
    bgr[:, 2:] = (255, 0, 0)
    nv12 = bgr_to_nv12(bgr)
    assert nv12.shape == (12,)
    assert nv12[:8].reshape(2, 4).tolist() == [[0, 0, 29, 29]] * 2
    assert nv12[8:].tolist() == [128, 128, 255, 107]


def test_chroma_is_the_mean_of_its_block() -> None:
    bgr = np.zeros((2, 2, 3), np.uint8)
    bgr[0, 0] = (0, 0, 255)  # V: 255, 128, 128, 128
    assert bgr_to_nv12(bgr)[5] in (159, 160)


def test_each_pair_serves_its_four_pixels() -> None:
    nv12 = np.arange(24, dtype=np.uint8)
    yuv = nv12_to_yuv444(nv12, (4, 4))
    assert yuv[..., 0].reshape(-1).tolist() == list(range(16))
    assert yuv[:2, 2:, 1].tolist() == [[18, 18], [18, 18]]
    assert yuv[2:, :2, 2].tolist() == [[21, 21], [21, 21]]


def test_bad_input() -> None:
    with pytest.raises(ImageError, match="even"):
        bgr_to_nv12(np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(ImageError, match="expected 24"):
        nv12_to_yuv444(np.zeros(23, np.uint8), (4, 4))
    with pytest.raises(ConfigError, match="limited"):
        bgr_to_nv12(np.zeros((4, 4, 3), np.uint8), color_range=cast(Any, "limited"))

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.buffers import Buffers
from edgekit.ops.letterbox import letterbox_image
from edgekit.ops.pixels import pack_input
from edgekit.ops.prepare import prepare_image
from edgekit.spec import ColorRange, InputKind, InputSpec, Layout, Preprocess

KINDS = [("nv12", "NCHW"), *((k, x) for k in ("rgb", "bgr", "gray", "yuv444") for x in ("NCHW", "NHWC"))]
SOURCES = [(64, 48), (48, 64), (96, 64), (33, 200), (200, 33), (300, 299), (1, 1), (640, 360)]
SIZES = [(64, 64), (96, 64)]


def image(source_wh: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(source_wh).integers(0, 256, (source_wh[1], source_wh[0], 3), np.uint8)


@pytest.mark.parametrize("kind, layout", KINDS)
@pytest.mark.parametrize("color_range", ["full", "studio"])
def test_equals_the_plain_way_bit_for_bit_in_buffers_used_again(
    kind: InputKind, layout: Layout, color_range: ColorRange
) -> None:
    spec, buffers = InputSpec("images", kind, layout), Buffers()
    for size_wh in SIZES:
        preprocess = Preprocess(*size_wh, color_range=color_range)
        for source_wh in SOURCES:
            bgr = image(source_wh)
            before = bgr.copy()
            pixels, box = prepare_image(bgr, spec, preprocess, buffers)
            canvas, expected_box = letterbox_image(bgr, preprocess)
            assert box == expected_box
            np.testing.assert_array_equal(pixels, pack_input(canvas, spec, preprocess), err_msg=f"{source_wh}")
            np.testing.assert_array_equal(bgr, before)


@pytest.mark.parametrize("kind", ["nv12", "rgb"])
def test_the_buffer_is_the_same_array_for_every_frame(kind: InputKind) -> None:
    buffers, spec = Buffers(), InputSpec("images", kind)
    first, _ = prepare_image(image((64, 48)), spec, Preprocess(64, 64), buffers)
    second, _ = prepare_image(image((48, 64)), spec, Preprocess(64, 64), buffers)
    assert np.shares_memory(first, second)


def test_a_strided_image_is_taken_as_it_is() -> None:
    wide = image((128, 48))
    pixels, _ = prepare_image(wide[:, ::2], InputSpec("images", "rgb"), Preprocess(64, 64), Buffers())
    again, _ = prepare_image(wide[:, ::2].copy(), InputSpec("images", "rgb"), Preprocess(64, 64), Buffers())
    np.testing.assert_array_equal(pixels, again)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image(bad: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected \\(height, width, 3\\) uint8"):
        prepare_image(bad, InputSpec("images", "nv12"), Preprocess(64, 64), Buffers())
    with pytest.raises(ImageError, match="even"):
        prepare_image(image((8, 8)), InputSpec("images", "nv12"), Preprocess(63, 64), Buffers())

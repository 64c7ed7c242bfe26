from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.buffers import Buffers
from edgekit.ops.nv12 import even_letterbox, letterbox_nv12, nv12_planes, nv12_to_bgr
from edgekit.ops.yuv import bgr_to_nv12, range_tables
from edgekit.spec import ColorRange, Preprocess
from tests.typed import as_image


def test_a_frame_of_the_right_size_is_not_touched() -> None:
    frame = np.random.default_rng(0).integers(0, 256, 64 * 48 * 3 // 2, np.uint8)
    out, box = letterbox_nv12(frame, (64, 48), Preprocess(64, 48), Buffers())
    assert np.shares_memory(out, frame)
    np.testing.assert_array_equal(out, frame)
    assert (box.left, box.top, box.resized_wh) == (0, 0, (64, 48))


def test_planes_and_padding_by_hand() -> None:
    """A 4x2 frame in a 4x4 input: one row of padding above and below would split a pair, so it goes below."""
    frame = np.array([10, 20, 30, 40, 50, 60, 70, 80, 1, 2, 3, 4], np.uint8)
    out, box = letterbox_nv12(frame, (4, 2), Preprocess(4, 4), Buffers())
    luma, pairs = nv12_planes(out, (4, 4))
    assert luma.tolist() == [[10, 20, 30, 40], [50, 60, 70, 80], [114] * 4, [114] * 4]
    assert pairs.tolist() == [[[1, 2], [3, 4]], [[128, 128], [128, 128]]]
    assert (box.left, box.top) == (0, 0)


@pytest.mark.parametrize("source_wh", [(64, 48), (48, 64), (1920, 1080), (38, 202)])
@pytest.mark.parametrize("size_wh", [(64, 64), (96, 64)])
def test_boxes_come_back_and_edges_are_even(source_wh: tuple[int, int], size_wh: tuple[int, int]) -> None:
    box = even_letterbox(source_wh, Preprocess(*size_wh))
    assert all(v % 2 == 0 and v >= 0 for v in (box.left, box.top, *box.resized_wh))
    assert box.left + box.resized_wh[0] <= size_wh[0]
    assert box.top + box.resized_wh[1] <= size_wh[1]
    boxes = np.array([[1, 2, source_wh[0] - 3, source_wh[1] - 4]], np.float32)
    np.testing.assert_allclose(box.undo_boxes(box.apply_boxes(boxes)), boxes, atol=1e-2)


def test_close_to_the_way_over_bgr() -> None:
    """A smooth image, scaled as NV12 and as BGR, ends within a few steps."""
    y, x = np.mgrid[0:96, 0:128]
    bgr = np.stack([x, y * 2, 255 - x], axis=-1).clip(0, 255).astype(np.uint8)
    out, box = letterbox_nv12(bgr_to_nv12(bgr), (128, 96), Preprocess(64, 64), Buffers())
    expected = bgr_to_nv12(as_image(cv2.resize(bgr, (64, 48))))
    luma, pairs = nv12_planes(out, (64, 64))
    want_luma, want_pairs = nv12_planes(expected, (64, 48))
    rows = slice(box.top, box.top + 48)
    assert np.abs(luma[rows].astype(int) - want_luma).max() <= 3
    assert np.abs(pairs[box.top // 2 : box.top // 2 + 24].astype(int) - want_pairs).max() <= 3


def test_colours_are_moved_to_the_range_of_the_model() -> None:
    white = np.concatenate([np.full(64, 235), np.full(32, 128)]).astype(np.uint8)  # 8x8, studio range
    out, _ = letterbox_nv12(white, (8, 8), Preprocess(8, 8), Buffers(), color_range="studio")
    assert out[:64].tolist() == [255] * 64
    assert out[64:].tolist() == [128] * 32
    back, _ = letterbox_nv12(out.copy(), (8, 8), Preprocess(8, 8, color_range="studio"), Buffers(), color_range="full")
    np.testing.assert_array_equal(back, white)


def test_range_tables_undo_each_other() -> None:
    for there, back in zip(range_tables("studio", "full"), range_tables("full", "studio"), strict=True):
        inside = np.arange(16, 236)
        np.testing.assert_array_equal(back[there[inside]], inside)


@pytest.mark.parametrize("color_range", ["full", "studio"])
def test_bgr_and_back(color_range: ColorRange) -> None:
    flat = np.repeat(np.random.default_rng(1).integers(40, 200, (4, 4, 3), np.uint8), 2, 0).repeat(2, 1)
    again = nv12_to_bgr(bgr_to_nv12(flat, color_range=color_range), (8, 8), color_range=color_range)
    assert np.abs(again.astype(int) - flat).max() <= 4


@pytest.mark.parametrize("frame", [np.zeros(95, np.uint8), np.zeros(96, np.int16), b"bytes"])
def test_what_is_no_frame(frame: object) -> None:
    with pytest.raises(ImageError, match="expected 96 of uint8"):
        letterbox_nv12(frame, (8, 8), Preprocess(8, 8), Buffers())  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="even"):
        letterbox_nv12(np.zeros(96, np.uint8), (7, 8), Preprocess(8, 8), Buffers())

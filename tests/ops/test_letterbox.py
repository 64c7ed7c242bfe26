from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.ops.letterbox import letterbox_image, letterbox_of
from edgekit.spec import Preprocess

SIZES = [(640, 480), (480, 640), (100, 37), (1, 1), (3, 1000), (1920, 1081), (640, 640)]


def test_hand_computed() -> None:
    box = letterbox_of((200, 100), Preprocess(64, 64))
    assert box.resized_wh == (64, 32)
    assert (box.left, box.top) == (0, 16)
    assert box.scale_xy == (0.32, 0.32)


def test_an_odd_rest_pads_bottom_and_right_by_one_more() -> None:
    box = letterbox_of((64, 33), Preprocess(64, 64))
    assert (box.resized_wh, box.top) == ((64, 33), 15)  # 31 rows of padding: 15 above, 16 below


@pytest.mark.parametrize("source_wh", SIZES)
@pytest.mark.parametrize("size_wh", [(640, 640), (640, 384), (96, 160)])
def test_undo_is_the_inverse(source_wh: tuple[int, int], size_wh: tuple[int, int]) -> None:
    box = letterbox_of(source_wh, Preprocess(*size_wh))
    width, height = source_wh
    boxes = np.array([[0, 0, width, height], [width * 0.2, height * 0.1, width * 0.7, height * 0.9]], np.float32)
    np.testing.assert_allclose(box.undo_boxes(box.apply_boxes(boxes)), boxes, rtol=1e-4, atol=1e-3 * max(source_wh))


@pytest.mark.parametrize("source_wh", SIZES)
def test_image_lies_where_the_letterbox_says(source_wh: tuple[int, int]) -> None:
    bgr = np.full((source_wh[1], source_wh[0], 3), 200, np.uint8)
    image, box = letterbox_image(bgr, Preprocess(96, 64))
    inside = np.zeros((64, 96), bool)
    inside[box.top : box.top + box.resized_wh[1], box.left : box.left + box.resized_wh[0]] = True
    assert (image[inside] == 200).all()
    assert (image[~inside] == 114).all()


def test_boxes_are_clipped_to_the_image() -> None:
    box = letterbox_of((200, 100), Preprocess(64, 64))
    undone = box.undo_boxes(np.array([[-5, 0, 70, 64]], np.float32))
    assert undone.tolist() == [[0, 0, 200, 100]]


def test_no_boxes() -> None:
    assert letterbox_of((20, 10), Preprocess(64, 64)).undo_boxes(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_buffer_is_reused_and_input_untouched() -> None:
    rng = np.random.default_rng(0)
    bgr = rng.integers(0, 255, (30, 50, 3), dtype=np.uint8)
    before = bgr.copy()
    out = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image, _ = letterbox_image(bgr, Preprocess(64, 64), out=out)
    assert image is out
    np.testing.assert_array_equal(image, letterbox_image(bgr, Preprocess(64, 64))[0])
    np.testing.assert_array_equal(bgr, before)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_refuses_what_is_no_bgr_image(bad: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected \\(height, width, 3\\) uint8"):
        letterbox_image(bad, Preprocess(64, 64))


def test_crop_covers_the_input_and_cuts_evenly() -> None:
    """300 x 100 to 20 x 20: scaled to 60 x 20, 20 columns cut off on either side."""
    preprocess = Preprocess(20, 20, fit="crop")
    bgr = np.repeat(np.arange(300, dtype=np.float32)[None, :, None] / 300 * 255, 100, axis=0)
    image, box = letterbox_image(np.repeat(bgr, 3, axis=2).astype(np.uint8), preprocess)
    assert (box.resized_wh, box.left, box.top) == ((60, 20), -20, 0)
    assert image.shape == (20, 20, 3)
    assert image[0, 0, 0] == pytest.approx(100 / 300 * 255, abs=3)
    assert image[0, -1, 0] == pytest.approx(200 / 300 * 255, abs=3)
    points = np.array([[0, 0], [20, 20]], np.float32)
    np.testing.assert_allclose(box.undo_points(points), [[100, 0], [200, 100]], atol=1e-4)
    np.testing.assert_allclose(box.apply_points(box.undo_points(points)), points, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 3), (20, 20)])
def test_crop_takes_any_image(size: tuple[int, int]) -> None:
    image, _ = letterbox_image(np.full((size[1], size[0], 3), 9, np.uint8), Preprocess(24, 16, fit="crop"))
    assert image.shape == (16, 24, 3)
    assert (image == 9).all()


def test_crop_fraction_is_resize_then_centre_crop() -> None:
    """torchvision's Resize(256) and CenterCrop(224): a 512 x 384 image becomes 341 x 256, its middle is taken."""
    _, box = letterbox_image(np.zeros((384, 512, 3), np.uint8), Preprocess(224, 224, fit="crop", crop_fraction=0.875))
    assert (box.resized_wh, box.left, box.top) == ((341, 256), -58, -16)


def test_stretch_fills_the_input_and_undoes_each_side() -> None:
    image, box = letterbox_image(np.full((100, 300, 3), 7, np.uint8), Preprocess(20, 40, fit="stretch"))
    assert image.shape == (40, 20, 3)
    assert (image == 7).all()
    np.testing.assert_allclose(box.undo_boxes(np.array([[0, 0, 10, 10]], np.float32)), [[0, 0, 150, 25]])

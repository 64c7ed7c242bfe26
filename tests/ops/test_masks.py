from __future__ import annotations

import numpy as np
import pytest

from edgekit.ops.letterbox import Letterbox, letterbox_of
from edgekit.ops.masks import instance_masks, masks_reference
from edgekit.spec import Preprocess

CASES = [((640, 480), (640, 640)), ((100, 333), (320, 320)), ((50, 40), (96, 64)), ((1280, 720), (320, 192))]


def scene(source_wh: tuple[int, int], size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, Letterbox]:
    """Smooth random prototypes, five objects' coefficients, their boxes in input pixels, and the letterbox."""
    rng = np.random.default_rng(3)
    box = letterbox_of(source_wh, Preprocess(*size_wh))
    rough = rng.normal(size=(size_wh[1] // 4, size_wh[0] // 4, 8))
    for axis in (0, 1):
        for _ in range(3):
            rough = (np.roll(rough, 1, axis) + rough + np.roll(rough, -1, axis)) / 3
    corner = rng.random((5, 2)) * 0.6
    boxes = np.concatenate([corner, corner + 0.1 + rng.random((5, 2)) * 0.5], axis=1) * np.tile(size_wh, 2)
    coefficients = rng.normal(size=(5, 8))
    return coefficients.astype(np.float32), rough.astype(np.float32), boxes.astype(np.float32), box


@pytest.mark.parametrize("source_wh, size_wh", CASES)
def test_equals_the_definition(source_wh: tuple[int, int], size_wh: tuple[int, int]) -> None:
    coefficients, proto, boxes, box = scene(source_wh, size_wh)
    image_boxes = box.undo_boxes(boxes)
    masks = np.asarray(instance_masks(coefficients, proto, boxes, image_boxes, box))
    expected = masks_reference(coefficients, proto, image_boxes, box)
    assert masks.shape == expected.shape == (5, source_wh[1], source_wh[0])
    for mask, oracle in zip(masks, expected, strict=True):
        union = np.logical_or(mask, oracle).sum()
        assert np.logical_and(mask, oracle).sum() >= 0.99 * union
    assert expected.any()


@pytest.mark.parametrize("source_wh", [(640, 480), (480, 640), (333, 100), (64, 64)])
def test_a_mask_lies_on_its_object_to_the_pixel(source_wh: tuple[int, int]) -> None:
    """The prototype's logit crosses 0 along a vertical line; the mask's edge must be that line in the image."""
    box = letterbox_of(source_wh, Preprocess(640, 640))
    edge_input = box.left + box.resized_wh[0] * 0.5  # the middle of the image, in input pixels
    centres = (np.arange(160) + 0.5) * 4
    proto = np.repeat((edge_input - centres)[None, :, None], 160, axis=0).astype(np.float32)
    whole = np.array([[box.left, box.top, box.left + box.resized_wh[0], box.top + box.resized_wh[1]]], np.float32)
    (mask,) = instance_masks(np.ones((1, 1), np.float32), proto, whole, box.undo_boxes(whole), box)
    widths = mask.sum(axis=1)
    assert abs(widths - source_wh[0] / 2).max() <= 1
    assert mask[:, : source_wh[0] // 2 - 1].all()


def test_crops_polygons_and_runs_agree_with_the_full_mask() -> None:
    coefficients, proto, boxes, box = scene((640, 480), (640, 640))
    masks = instance_masks(coefficients, proto, boxes, box.undo_boxes(boxes), box)
    for index in range(len(masks)):
        part, (x, y) = masks.cropped(index)
        assert part.sum() == masks[index].sum()
        assert masks[index][y : y + part.shape[0], x : x + part.shape[1]].sum() == part.sum()
        assert masks.rle(index)["size"] == [480, 640]
        for line in masks.polygons(index):
            assert 0 <= min(line[::2]) <= max(line[::2]) < 640


def test_nothing_found() -> None:
    box = letterbox_of((640, 480), Preprocess(640, 640))
    none = np.zeros((0, 4), np.float32)
    masks = instance_masks(np.zeros((0, 8), np.float32), np.zeros((160, 160, 8), np.float32), none, none, box)
    assert len(masks) == 0
    assert np.asarray(masks).shape == (0, 480, 640)


def test_a_box_outside_the_image_has_an_empty_mask() -> None:
    box = letterbox_of((640, 320), Preprocess(640, 640))  # 160 rows of padding above and below
    boxes = np.array([[10, 10, 50, 100]], np.float32)
    proto = np.ones((160, 160, 1), np.float32)
    masks = instance_masks(np.ones((1, 1), np.float32), proto, boxes, box.undo_boxes(boxes), box)
    assert not masks[0].any()
    assert masks.polygons(0) == []

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ImageError
from edgekit.labels import class_color_bgr
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.results import Detections, Segmentations
from edgekit.spec import Preprocess

IMAGE = np.full((200, 300, 3), 128, np.uint8)
BOXES = np.array([[50, 60, 150, 160]], np.float32)


def detections(device: str = "bpu") -> Detections:
    return Detections(BOXES, np.array([0.9], np.float32), np.array([0], np.int32), ("cat",), (300, 200), device)


def test_the_box_stands_on_its_pixels_and_the_input_is_untouched() -> None:
    before = IMAGE.copy()
    drawn = detections().draw(IMAGE)
    np.testing.assert_array_equal(IMAGE, before)
    assert tuple(drawn[110, 50]) == class_color_bgr(0)
    assert (drawn[165:, 160:] == 128).all()


def test_a_mask_is_tinted_inside_only() -> None:
    box = letterbox_of((300, 200), Preprocess(320, 320))
    proto = np.full((80, 80, 1), -1.0, np.float32)
    proto[:, :40] = 1.0  # the left half of the input is the object
    masks = instance_masks(np.ones((1, 1), np.float32), proto, box.apply_boxes(BOXES), BOXES, box)
    d = detections()
    drawn = Segmentations(d.boxes_xyxy, d.scores, d.class_ids, d.names, d.size_wh, d.device, masks).draw(IMAGE)
    assert (drawn[110, 100] != 128).any()
    assert (drawn[110, 200] == 128).all()
    assert (drawn[30, 100] == 128).all()


def test_a_simulated_result_says_so_on_the_image() -> None:
    real, simulated = detections("bpu").draw(IMAGE), detections("sim").draw(IMAGE)
    assert (real[-10:, :60] == 128).all()
    assert (simulated[-10:, :60] != 128).any()


def test_nothing_found_changes_nothing() -> None:
    none = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ("a",), (300, 200), "bpu"
    )
    np.testing.assert_array_equal(none.draw(IMAGE), IMAGE)


def test_another_image_is_refused() -> None:
    with pytest.raises(ImageError, match="expected 300x200"):
        detections().draw(np.zeros((10, 10, 3), np.uint8))


def test_class_colours_differ() -> None:
    assert len({class_color_bgr(i) for i in range(80)}) == 80

from __future__ import annotations

import numpy as np
import pytest

from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks, masks_reference
from edgekit.ops.prototypes import BATCH_THRESHOLD, STRIP_CELLS, box_windows, window_logits, window_logits_reference
from edgekit.spec import Preprocess

# Windows x1, y1, x2, y2 on a grid of 100 x 90, where integers of more than STRIP_CELLS cells come in several strips.
SCENES = {
    "nothing": [],
    "one": [(3, 4, 9, 11)],
    "one in strips": [(2, 0, 98, 90)],
    "both kinds": [(0, 2, 100, 80), (1, 1, 4, 3), (5, 3, 90, 88), (98, 88, 100, 90)],
    "a crowd": [(10 + 3 * i, 5 + i, 31 + 4 * i, 40 + 2 * i) for i in range(BATCH_THRESHOLD + 1)],
}


@pytest.mark.parametrize("dtype", ["float32", "int16", "int8", "int32"])
@pytest.mark.parametrize("name", SCENES)
def test_window_logits_are_the_definition(name: str, dtype: str) -> None:
    assert 2 * STRIP_CELLS < 96 * 90
    rng = np.random.default_rng(2)
    proto = rng.integers(-100, 100, (90, 100, 8)).astype(dtype)
    windows = np.asarray(SCENES[name], np.int64).reshape(-1, 4)
    coefficients = rng.normal(size=(len(windows), 8)).astype(np.float32)
    before = proto.copy()
    fast = window_logits(coefficients, proto, windows)
    slow = window_logits_reference(coefficients, proto, windows)
    assert [part.shape for part in fast] == [(y2 - y1, x2 - x1) for x1, y1, x2, y2 in windows.tolist()]
    for ours, expected in zip(fast, slow, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, expected, atol=2e-3)
    np.testing.assert_array_equal(proto, before)


def test_windows_by_hand() -> None:
    """One source pixel is one input pixel: pixels 8..15 have their centres at 8.5..15.5, cells 1.625..3.375."""
    box = letterbox_of((64, 64), Preprocess(64, 64))
    boxes = np.array([[8, 8, 16, 16], [0, 0, 64, 64], [-9, 70, -5, 90]], np.float32)
    assert box_windows(boxes, (16, 16), box).tolist() == [[1, 1, 5, 5], [0, 0, 16, 16], [0, 15, 1, 16]]
    assert box_windows(boxes[:0], (16, 16), box).shape == (0, 4)


@pytest.mark.parametrize("source_wh", [(9, 7), (64, 48), (300, 170), (400, 600)])
def test_windows_hold_every_cell_that_a_pixel_is_read_from(source_wh: tuple[int, int]) -> None:
    """Random prototypes, where a cell too few shows; images made far larger, and far smaller."""
    rng = np.random.default_rng(7)
    box = letterbox_of(source_wh, Preprocess(128, 96))
    proto = rng.normal(size=(24, 32, 4)).astype(np.float32)
    corner = rng.random((40, 2)) * 0.7
    inside = np.concatenate([corner, corner + 0.02 + rng.random((40, 2)) * 0.4], axis=1)
    boxes = box.apply_boxes((np.minimum(inside, 1) * np.tile(source_wh, 2)).astype(np.float32))
    image_boxes = box.undo_boxes(boxes)
    coefficients = rng.normal(size=(40, 4)).astype(np.float32)
    masks = np.asarray(instance_masks(coefficients, proto, boxes, image_boxes, box))
    expected = masks_reference(coefficients, proto, image_boxes, box)
    differing = (masks != expected).sum()
    assert expected.any()
    assert differing <= expected.sum() * 1e-3  # float32 against float64 on the outline

"""Full-size masks by compiled kernels are numpy's, pixel for pixel, but for logits that round to another side of 0."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from edgekit.kernels.decode_structs import AxisBlock
from edgekit.kernels.decoding import decode_kernels, fill_mask
from edgekit.kernels.library import Kernels
from edgekit.ops import masks as masks_module
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.spec import Preprocess

pytestmark = pytest.mark.needs_decode_kernels


@pytest.mark.parametrize("source_wh", [(33, 21), (211, 97), (640, 480)])
def test_masks_are_numpys(source_wh: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    letterbox = letterbox_of(source_wh, Preprocess(160, 96))
    proto = rng.normal(0, 1, (24, 40, 7)).astype(np.float32)
    proto[3:5, 4:9] = 0  # logits of exactly 0 belong to no object
    coefficients = rng.normal(0, 1, (6, 7)).astype(np.float32)
    coefficients[0, 0] = np.nan
    corners = rng.uniform(0, 1, (6, 2, 2)) * source_wh
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
    boxes[1] = (0, 0, *source_wh)
    boxes[2, 2:] = boxes[2, :2]  # empty
    objects = instance_masks(coefficients, proto, letterbox.apply_boxes(boxes), boxes, letterbox)
    compiled = [(objects[i], *objects.cropped(i)) for i in range(6)]
    monkeypatch.setattr(masks_module, "decode_kernels", lambda: Kernels(None, "for this test"))
    for i, (full, part, corner) in enumerate(compiled):
        expected, (expected_part, expected_corner) = objects[i], objects.cropped(i)
        assert full.shape == expected.shape == source_wh[::-1] and part.shape == expected_part.shape
        assert corner == expected_corner
        assert (full != expected).sum() <= full.size // 10_000 and (part != expected_part).sum() <= full.size // 10_000
    assert not compiled[0][0].any() and not compiled[2][0].any() and compiled[1][0].any()


def test_sizes_that_do_not_fit_are_refused_before_c_is_entered() -> None:
    library = decode_kernels().library
    assert isinstance(library, ctypes.CDLL)
    window, out = np.zeros((3, 4), np.float32), np.zeros((5, 6), np.bool_)

    def axis(count: int, last: int, first: int = 0) -> AxisBlock:
        return AxisBlock(1.0, 0.0, 4.0, 6.0, 0, first, last, count)

    fill_mask(library, window, axis(4, 6), axis(3, 5), out)
    for x_axis, y_axis in ((axis(5, 6), axis(3, 5)), (axis(4, 7), axis(3, 5)), (axis(4, 6), axis(3, 5, 1))):
        with pytest.raises(ValueError, match="expected"):
            fill_mask(library, window, x_axis, y_axis, out)
    with pytest.raises(ValueError, match="contiguous"):
        fill_mask(library, window.astype(np.float64), axis(4, 6), axis(3, 5), out)
    with pytest.raises(ValueError, match="contiguous"):
        fill_mask(library, window, axis(4, 6), axis(3, 5), np.zeros((6, 5), np.bool_).T)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from edgekit.evaluation.rle import crop_to_rle, masks_to_rles
from edgekit.ops.letterbox import Letterbox
from edgekit.ops.masks import InstanceMasks


def full_rle(crop: np.ndarray, corner_xy: tuple[int, int], size_wh: tuple[int, int]) -> str:
    full = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    full[corner_xy[1] : corner_xy[1] + crop.shape[0], corner_xy[0] : corner_xy[0] + crop.shape[1]] = crop
    return str(coco_mask.encode(np.asfortranarray(full))["counts"].decode())


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.floats(0, 1))
def test_the_crop_gives_what_pycocotools_gives_for_the_whole_image(
    seed: int, height: int, width: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    h, w = int(rng.integers(0, height + 1)), int(rng.integers(0, width + 1))
    corner = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    crop = rng.random((h, w)) < density
    ours = crop_to_rle(crop, corner, (width, height))
    decoded = coco_mask.decode({"size": ours["size"], "counts": ours["counts"].encode()})
    theirs = coco_mask.decode({"size": [height, width], "counts": full_rle(crop, corner, (width, height)).encode()})
    assert np.array_equal(decoded, theirs)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3)])
def test_an_empty_crop_is_an_empty_mask(shape: tuple[int, int]) -> None:
    rle = crop_to_rle(np.zeros(shape, bool), (1, 1), (5, 4))
    assert coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode()}).sum() == 0


def test_full_columns_run_together() -> None:
    assert crop_to_rle(np.ones((4, 5), bool), (0, 0), (5, 4))["counts"] == full_rle(np.ones((4, 5)), (0, 0), (5, 4))


def test_a_mask_that_several_classes_share_is_made_once_and_others_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 6, 6)).astype(np.float32)
    box, moved = (2.0, 3, 20, 22), (3.0, 3, 21, 22)
    masks = InstanceMasks(
        (one, one.copy(), other, one),
        np.zeros((4, 2), np.int64),
        np.asarray([box, box, box, moved], np.float32),
        (6, 6),
        Letterbox((30, 24), (24, 24), (24, 19), 0, 2),
    )
    made: list[int] = []
    real = InstanceMasks.cropped
    monkeypatch.setattr(InstanceMasks, "cropped", lambda self, i: (made.append(i), real(self, i))[1])
    rles = masks_to_rles(masks, (30, 24))
    assert made == [0, 2, 3] and rles[0] == rles[1]
    for rle, mask in zip(rles, masks, strict=True):
        decoded = coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode()})
        assert mask.any() and np.array_equal(decoded.astype(bool), mask)

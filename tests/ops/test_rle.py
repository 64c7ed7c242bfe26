from __future__ import annotations

import numpy as np
import pytest

from edgekit.ops.rle import decode_rle, encode_rle, mask_polygons

SHAPES = [(1, 1), (5, 7), (50, 30), (480, 640)]


def noise(shape: tuple[int, int], share: float) -> np.ndarray:
    return np.random.default_rng(shape[0]).random(shape) < share


def test_by_hand() -> None:
    mask = np.array([[0, 1], [1, 1]], bool)  # columns 0 1 | 1 1: one off, three on
    assert encode_rle(mask) == {"size": [2, 2], "counts": "13"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_round_trip(shape: tuple[int, int], share: float) -> None:
    mask = noise(shape, share)
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_equals_pycocotools(shape: tuple[int, int], share: float) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    mask = noise(shape, share)
    assert encode_rle(mask)["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def test_polygon_of_a_rectangle() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:8] = True
    (polygon,) = mask_polygons(mask)
    assert sorted(zip(polygon[::2], polygon[1::2], strict=True)) == [(3, 2), (3, 4), (7, 2), (7, 4)]
    assert mask_polygons(np.zeros((3, 3), bool)) == []

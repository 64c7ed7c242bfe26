from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgekit.calibration.features import BLOCKS, describe, standardise
from tests.images import scene
from tests.typed import as_image


def flat(blue: int, green: int, red: int) -> np.ndarray:
    return np.full((40, 60, 3), (blue, green, red), np.uint8)


def test_figures_of_a_plain_image() -> None:
    stats = describe(flat(10, 20, 30)).stats
    assert (stats.width, stats.height, stats.mean_rgb, stats.maximum) == (60, 40, (30, 20, 10), 30)
    assert (stats.contrast, stats.zero_share) == (0, 0)
    half = flat(0, 100, 200)
    assert describe(half).stats.zero_share == pytest.approx(1 / 3, abs=1e-4)
    assert describe(flat(90, 90, 90)).stats.chroma < 0.1 < 20 < describe(flat(0, 0, 200)).stats.chroma


def test_each_block_answers_to_its_own_kind_of_change() -> None:
    starts = dict(zip(BLOCKS, np.cumsum([0, *BLOCKS.values()]), strict=False))

    def block(name: str, bgr: np.ndarray) -> np.ndarray:
        return describe(bgr).feature[starts[name] : starts[name] + BLOCKS[name]]

    image = scene(1)
    brighter = cv2.convertScaleAbs(image, alpha=0.5, beta=100)
    assert np.abs(block("brightness", image) - block("brightness", brighter)).max() > 5
    assert np.allclose(block("brightness", image), block("brightness", np.fliplr(image).copy()), atol=0.5)
    red, blue = flat(0, 0, 200), flat(200, 0, 0)
    assert np.abs(block("colour", red) - block("colour", blue)).max() > 50
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::8] = 255
    upright, lying = block("texture", stripes), block("texture", stripes.transpose(1, 0, 2).copy())
    assert np.allclose(upright[:3], lying[:3], atol=0.05)  # the same energy
    assert upright[3:].argmax() != lying[3:].argmax()  # in another direction
    top = flat(0, 0, 0)
    top[:20] = 200
    assert np.allclose(block("layout", top), -block("layout", np.flipud(top).copy()), atol=0.5)


def test_sizes_do_not_matter() -> None:
    small, large = scene(3), as_image(cv2.resize(scene(3), (480, 360), interpolation=cv2.INTER_NEAREST))
    difference = np.asarray(describe(small).thumb) - np.asarray(describe(large).thumb)
    assert np.sqrt(np.square(difference).mean()) < 4
    one_pixel = describe(np.zeros((1, 1, 3), np.uint8))
    assert one_pixel.feature.shape == (sum(BLOCKS.values()),) and np.isfinite(one_pixel.feature).all()


def test_standardising_gives_every_block_the_same_weight() -> None:
    features = np.random.default_rng(0).normal(3, 7, (500, sum(BLOCKS.values()))).astype(np.float32)
    features[:, 0] = 5  # no spread: must not become a NaN
    scaled = standardise(features)
    squares = np.square(scaled).mean(axis=0)
    ends = np.cumsum(list(BLOCKS.values()))
    sums = [squares[end - size : end].sum() for end, size in zip(ends, BLOCKS.values(), strict=True)]
    assert np.isfinite(scaled).all()
    assert sums[1:] == pytest.approx([1, 1, 1])

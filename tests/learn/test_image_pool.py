"""The images: a seeded order, held-out ones at the end, refusals of too few and of images that are all alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.data.image_source import open_source
from edgekit.errors import DataError
from edgekit.learn.image_pool import FEWEST, HELD_OUT, fill_pool
from edgekit.spec import ModelSpec
from tests.learn.conftest import write_images
from tests.test_spec import make_spec


def spec() -> ModelSpec:
    return make_spec()


def pool_of(folder: Path, out: Path, seed: int = 0):  # type: ignore[no-untyped-def]
    return fill_pool(open_source(folder, frames=8).images, spec(), out, seed=seed)


def test_half_is_held_out_up_to_sixty_four(tmp_path: Path) -> None:
    pool = pool_of(write_images(tmp_path / "few", 40), tmp_path / "few.u8")
    assert (len(pool.images), pool.learned, pool.held_out) == (40, 20, 20)
    pool = pool_of(write_images(tmp_path / "many", 140), tmp_path / "many.u8")
    assert (pool.learned, pool.held_out) == (140 - HELD_OUT, HELD_OUT)


def test_the_order_is_the_seeds(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 40)
    first, again, different = (pool_of(folder, tmp_path / f"{i}.u8", seed) for i, seed in enumerate((0, 0, 1)))
    assert first.images == again.images != different.images
    assert np.array_equal(first.pixels, again.pixels)


def test_an_input_is_in_0_to_1_and_mirrored_where_asked(tmp_path: Path) -> None:
    pool = pool_of(write_images(tmp_path / "images", 40), tmp_path / "pool.u8")
    x, mirrored = pool.input(3), pool.input(3, flipped=True)
    assert x.dtype == np.float32 and x.shape == (1, *pool.pixels.shape[1:])
    assert 0 <= x.min() < x.max() <= 1
    assert np.array_equal(mirrored, x[..., ::-1])
    assert np.array_equal(np.rint(x * 255), pool.pixels[3:4])


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", FEWEST - 1)
    with pytest.raises(DataError, match="31 images, expected at least 32 different ones") as caught:
        pool_of(folder, tmp_path / "pool.u8")
    assert "labels are not needed" in caught.value.hint


def test_images_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", FEWEST)
    (folder / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="31 readable images of 32"):
        pool_of(folder, tmp_path / "pool.u8")


def test_images_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    """One camera at night: the same scene with a little noise."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8), (120, 90))
    for i in range(FEWEST + 8):
        noisy = np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), noisy)
    with pytest.raises(DataError, match="40 images, but not as many that differ"):
        pool_of(folder, tmp_path / "pool.u8")

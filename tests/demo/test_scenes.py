"""The generated images: the same everywhere, truthful, of every size."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edgekit.demo.rng import Rng
from edgekit.demo.scenes import MIN_VISIBLE, Scene, render_image
from edgekit.demo.shapes import CLASS_NAMES, PAINTERS, Style
from edgekit.demo.texture import box_blur, clouds, value_noise
from edgekit.errors import ConfigError

SIZES = ((200, 150), (150, 200), (96, 96), (240, 130))
# Found equal on Python 3.10 to 3.13, numpy 1.26 and 2.x, with and without wide vector instructions.
SHA256 = "480638872400e4ff6a8c5a1f6fc37d8176ef6b696991392a7c45a08fa81836ee"


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_image(seed, SIZES[seed % len(SIZES)]) for seed in range(24)]


def test_same_bytes_on_every_machine(scenes: list[Scene]) -> None:
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(scene.bgr.tobytes())
        for instance in scene.instances:
            digest.update(repr((instance.class_id, instance.box_xyxy)).encode())
            digest.update(instance.mask.tobytes())
    assert digest.hexdigest() == SHA256


def test_seeds_and_sizes_give_other_images() -> None:
    first, second, wider = render_image(5, (64, 48)), render_image(6, (64, 48)), render_image(5, (72, 48))
    assert not np.array_equal(first.bgr, second.bgr)
    assert wider.size_wh == (72, 48) and wider.bgr.shape == (48, 72, 3) and wider.bgr.dtype == np.uint8


def test_masks_and_boxes_agree(scenes: list[Scene]) -> None:
    for scene in scenes:
        covered = np.zeros(scene.bgr.shape[:2], int)
        for instance in scene.instances:
            x1, y1, x2, y2 = instance.box_xyxy
            assert 0 <= x1 < x2 <= scene.size_wh[0] and 0 <= y1 < y2 <= scene.size_wh[1]
            inside = instance.mask[y1:y2, x1:x2]
            assert inside.sum() == instance.mask.sum() > 0
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            assert instance.name == CLASS_NAMES[instance.class_id]
            covered += instance.mask
        assert covered.max() <= 1, "visible pixels belong to one thing"


def test_every_class_appears_and_sizes_vary(scenes: list[Scene]) -> None:
    instances = [i for scene in scenes for i in scene.instances]
    assert {i.name for i in instances} == set(CLASS_NAMES)
    sides = [max(i.box_xyxy[2] - i.box_xyxy[0], i.box_xyxy[3] - i.box_xyxy[1]) for i in instances]
    assert min(sides) < 20 and max(sides) > 90


def test_a_ring_shows_what_lies_behind() -> None:
    """The hole of a ring and the gap of a mug's handle belong to nothing."""
    u, v = np.meshgrid(*[np.linspace(-1, 1, 41, dtype=np.float32)] * 2)
    style = Style((0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (0.0, 0.0, 1.0), 0.2, (0.5, 0.5, 0.5, 0.5))
    ring, _ = PAINTERS["ring"](u, v, style)
    mug, _ = PAINTERS["mug"](u, v, style)
    assert not ring[20, 20] and ring[20].any()
    row = mug[20]
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) == 2, "body, gap, handle"


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_painters_give_finite_colours_within_the_frame(name: str) -> None:
    u, v = np.meshgrid(*[np.linspace(-1.7, 1.7, 60, dtype=np.float32)] * 2)
    style = Style((0.9, 0.1, 0.4), (0.1, 0.9, 0.4), (0.6, 0.0, 0.8), 0.8, (0.1, 0.9, 0.4, 0.6))
    with np.errstate(all="raise", under="ignore"):
        inside, rgb = PAINTERS[name](u, v, style)
    assert inside.dtype == bool and inside.shape == u.shape and rgb.shape == (*u.shape, 3)
    assert np.isfinite(rgb).all() and rgb[inside].min() >= 0 and rgb[inside].max() < 2
    assert not inside[(np.abs(u) > 1.25) | (np.abs(v) > 1.25)].any()


def test_value_noise_by_hand() -> None:
    """Cells of two pixels: pixels on the grid take its values, those between the mean of their neighbours."""
    grid = Rng(3).field(3, 3)
    noise = value_noise(Rng(3), (3, 3), (2.0, 2.0))
    assert noise[0, 0] == grid[0, 0] and noise[2, 2] == grid[1, 1]
    assert noise[0, 1] == pytest.approx((grid[0, 0] + grid[0, 1]) / 2, abs=1e-7)


def test_box_blur_by_hand() -> None:
    image = np.array([[0, 3, 0]], np.float32)
    np.testing.assert_allclose(box_blur(image, 1), [[1, 1, 1]])
    np.testing.assert_array_equal(box_blur(image, 0), image)


def test_clouds_stay_in_range() -> None:
    noise = clouds(Rng(0), (40, 30), 12.0, octaves=4)
    assert noise.shape == (30, 40) and noise.dtype == np.float32 and noise.min() >= 0 and noise.max() <= 1


def test_hidden_things_are_not_placed(scenes: list[Scene]) -> None:
    assert 0 < MIN_VISIBLE < 1
    assert all(np.count_nonzero(i.mask) >= 3 for scene in scenes for i in scene.instances)


@pytest.mark.parametrize(("seed", "size"), [(-1, (64, 64)), (0, (8, 64)), (0, (64, 100_000))])
def test_refuses_impossible_images(seed: int, size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        render_image(seed, size)

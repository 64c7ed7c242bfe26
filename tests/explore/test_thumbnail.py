from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from edgekit.explore.thumbnail import make_thumbnail
from tests.typed import as_image


def pixels(data_uri: str) -> np.ndarray:
    kind, _, text = data_uri.partition(",")
    assert kind in ("data:image/webp;base64", "data:image/jpeg;base64")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("has_webp", [True, False])
def test_a_small_image_keeps_its_pixels(monkeypatch: pytest.MonkeyPatch, has_webp: bool) -> None:
    monkeypatch.setattr(cv2, "haveImageWriter", lambda name: has_webp)
    image = as_image(cv2.resize(noise(4, 6), (200, 120), interpolation=cv2.INTER_CUBIC))
    thumbnail = make_thumbnail(image, max_bytes=100_000)
    assert (thumbnail.size_wh, thumbnail.scale) == ((200, 120), 1.0)
    assert np.abs(pixels(thumbnail.data_uri).astype(int) - image).mean() < 8


@pytest.mark.parametrize(("height", "width"), [(1500, 3000), (3000, 1500)])
def test_a_large_one_is_reduced_until_it_fits(height: int, width: int) -> None:
    thumbnail = make_thumbnail(noise(height, width), max_bytes=20_000)
    assert len(thumbnail.data_uri) < 20_000 * 4 / 3 + 30
    shown = pixels(thumbnail.data_uri)
    assert (shown.shape[1], shown.shape[0]) == thumbnail.size_wh
    assert thumbnail.size_wh[0] / thumbnail.size_wh[1] == pytest.approx(width / height, rel=0.02)
    assert thumbnail.scale == pytest.approx(thumbnail.size_wh[0] / width)


def test_one_pixel_and_a_budget_that_nothing_fits() -> None:
    assert make_thumbnail(noise(1, 1), max_bytes=10_000).size_wh == (1, 1)
    assert max(make_thumbnail(noise(900, 600), max_bytes=1).size_wh) == 256

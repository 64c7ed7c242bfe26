"""Backgrounds of the scenes: walls, clouds, wood, tiles and cloth."""

from __future__ import annotations

import math

import numpy as np

from edgekit.demo.rng import Rng, turn
from edgekit.demo.shapes import Rgb, jitter, random_color
from edgekit.demo.texture import clouds, value_noise


def paint_background(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    """Return one of the backgrounds, (H, W, 3) float32 RGB in about 0..1."""
    base = random_color(rng, most_vivid=0.45)
    accent = jitter(rng, base, 0.25)
    return _mix(rng.pick(BACKGROUNDS)(rng, size_wh), base, accent)


def _wall(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    x, y = _frame(size_wh)
    cos, sin = turn(rng.between(0, 2 * math.pi))
    return 0.5 + 0.5 * (x * cos + y * sin) + 0.15 * (clouds(rng, size_wh, 6.0, octaves=2) - 0.5)


def _clouds(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    return clouds(rng, size_wh, rng.between(0.1, 0.5) * min(size_wh), octaves=4) * 2 - 0.5


def _wood(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    fine = rng.between(0.008, 0.03) * min(size_wh) + 1.5
    cell = (fine * rng.between(10, 30), fine)
    if rng.chance(0.5):
        cell = (cell[1], cell[0])
    coarse = (cell[0] * 2, cell[1] * 2)
    return 0.6 * value_noise(rng, size_wh, cell) + 0.6 * value_noise(rng, size_wh, coarse)


def _tiles(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    x, y = _frame(size_wh)
    cos, sin = turn(rng.between(0, math.pi))
    count, gap = rng.between(2, 7), rng.between(0.03, 0.1)
    a, b = (x * cos + y * sin) * count, (y * cos - x * sin) * count
    column, row = np.floor(a), np.floor(b)
    joint = (a - column < gap) | (b - row < gap)
    checker = np.mod(column + row, 2.0) * rng.between(0, 0.9)
    return np.where(joint, 1.2, checker).astype(np.float32) + 0.3 * clouds(rng, size_wh, 8.0)


def _cloth(rng: Rng, size_wh: tuple[int, int]) -> np.ndarray:
    x, y = _frame(size_wh)
    threads = rng.between(12, 40)
    weave = np.abs(np.mod(x * threads, 1.0) - 0.5) + np.abs(np.mod(y * threads, 1.0) - 0.5)
    return weave * rng.between(0.2, 0.7) + clouds(rng, size_wh, 0.4 * min(size_wh))


def _mix(amount: np.ndarray, base: Rgb, accent: Rgb) -> np.ndarray:
    amount = amount.astype(np.float32)[..., None]
    return np.asarray(base, np.float32) * (1 - amount) + np.asarray(accent, np.float32) * amount


def _frame(size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (1, W) and (H, 1), the longer side spanning -1..1."""
    width, height = size_wh
    half = max(size_wh) / 2
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / half
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / half
    return x[None], y[:, None]


BACKGROUNDS = (_wall, _clouds, _wood, _tiles, _cloth)

"""Pixel textures from additions, products and square roots alone, which every machine rounds alike.

No sine over arrays, no sums along an axis, no library filter: those differ in the last bit between processors
and versions, and an image that depends on them would not be the same everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.demo.rng import Rng

Float32Array = npt.NDArray[np.float32]


def value_noise(rng: Rng, size_wh: tuple[int, int], cell_wh: tuple[float, float]) -> Float32Array:
    """Return smooth noise (H, W) float32 in 0..1 whose bumps are about `cell_wh` pixels large."""
    (width, height), (cell_w, cell_h) = size_wh, cell_wh
    grid = rng.field(int(height / cell_h) + 2, int(width / cell_w) + 2)
    left, across = _steps(width, cell_w)
    top, down = _steps(height, cell_h)
    rows = grid[:, left] * (1 - across) + grid[:, left + 1] * across
    down = down[:, None]
    return _f32(rows[top] * (1 - down) + rows[top + 1] * down)


def clouds(rng: Rng, size_wh: tuple[int, int], cell_px: float, *, octaves: int = 3) -> Float32Array:
    """Return noise (H, W) float32 in 0..1 with ever finer detail added at half the strength."""
    total: Float32Array = np.zeros((size_wh[1], size_wh[0]), np.float32)
    weight, sum_of_weights = 1.0, 0.0
    for octave in range(octaves):
        cell = max(cell_px / 2**octave, 2.0)
        total = _f32(total + weight * value_noise(rng, size_wh, (cell, cell)))
        sum_of_weights += weight
        weight /= 2
    return _f32(total / sum_of_weights)


def grain(rng: Rng, shape: tuple[int, ...]) -> Float32Array:
    """Return sensor noise, float32, mean 0 and deviation 1: the sum of four uniform fields, near enough to normal."""
    total = rng.field(*shape) + rng.field(*shape) + rng.field(*shape) + rng.field(*shape)
    return _f32((total - 2.0) * 1.7320508)


def box_blur(image: Float32Array, radius: int) -> Float32Array:
    """Return the mean over a square of 2 * radius + 1 pixels, edges repeated; (H, W) or (H, W, C) float32."""
    for axis in (0, 1):
        if radius:
            image = _blur_along(image, radius, axis)
    return image


def smoothstep(t: npt.NDArray[np.floating]) -> Float32Array:
    """Return 0 below 0, 1 above 1, smooth between."""
    part = _f32(np.clip(t, 0, 1))
    return _f32(part * part * (3 - 2 * part))


def _steps(length: int, cell: float) -> tuple[npt.NDArray[np.int64], Float32Array]:
    position = _f32(np.arange(length, dtype=np.float32) / cell)
    index = position.astype(np.int64)
    return index, smoothstep(position - index.astype(np.float32))


def _blur_along(image: Float32Array, radius: int, axis: int) -> Float32Array:
    padding = [(0, 0)] * image.ndim
    padding[axis] = (radius, radius)
    padded = np.pad(image, padding, mode="edge")
    total = np.zeros_like(image)
    for shift in range(2 * radius + 1):
        window = [slice(None)] * image.ndim
        window[axis] = slice(shift, shift + image.shape[axis])
        total = total + padded[tuple(window)]
    return _f32(total / (2 * radius + 1))


def _f32(values: npt.NDArray[np.floating]) -> Float32Array:
    """For the type checker, which cannot see that plain numbers leave float32 as it is."""
    return np.asarray(values, np.float32)

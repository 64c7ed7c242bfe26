"""Constants of a YOLO decoder that a quantizer moved: cell centres, strides, bins and anchor boxes, put right again.

They were rounded to a grid of their own, so that whatever they are lies within half a step of what stands there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["restored_constants"]

Floats = npt.NDArray[np.float64]
SLACK = 1e-3  # of a step: float32 rounding of integer * scale
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
# Anchor boxes (w, h) in pixels of one stride each, as the published models have them: YOLOv5 and YOLOv3 (P5), YOLOv5
# (P6), YOLOv3-tiny, YOLOv7.
PUBLISHED_ANCHORS = (
    *((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326)),
    *((19, 27, 44, 40, 38, 94), (96, 68, 86, 152, 180, 137), (140, 301, 303, 264, 238, 542)),
    *((436, 615, 739, 380, 925, 792), (10, 14, 23, 27, 37, 58), (81, 82, 135, 169, 344, 319)),
    *((12, 16, 19, 36, 40, 28), (36, 75, 76, 55, 72, 146), (142, 110, 192, 243, 459, 401)),
)


def restored_constants(
    values: Floats, steps: npt.NDArray[np.floating], size_wh: tuple[int, int] | None
) -> Floats | None:
    """Return what a decoder's constant was before a quantizer rounded it.

    Args:
        values: Dequantized, of any shape.
        steps: The quantizer's, a scalar or shaped to broadcast with `values`.
        size_wh: Of the image that the graph takes; None where it is not fixed.

    Returns:
        Numbers of the same shape: grids and published anchor boxes by their shape, else cell centres k + 1/2, strides
        and bins k, or multiples of 1/2. None where not all values lie within half a step of such numbers, as learned
        weights never do.
    """
    if values.size < 2:
        return None
    for expected in itertools.chain(_anchors_like(values), _grids_like(values, size_wh or (0, 0))):
        if _is_near(expected, values, steps):
            return np.broadcast_to(expected, values.shape).copy()
    for spacing, offset in ((1.0, 0.5), (1.0, 0.0), (0.5, 0.0)):
        numbers = np.rint((values - offset) / spacing) * spacing + offset
        if float(np.max(steps)) < spacing and _is_near(numbers, values, steps):
            return numbers
    return None


def _is_near(expected: Floats, values: Floats, steps: npt.NDArray[np.floating]) -> bool:
    return bool((np.abs(expected - values) <= steps * (0.5 + SLACK)).all())


def _anchors_like(values: Floats) -> Iterator[Floats]:
    """Published anchor boxes for a constant (1, 3, h, w, 2) that has the same ones in every cell."""
    if values.ndim != 5 or values.shape[0] != 1 or values.shape[1] != 3 or values.shape[4] != 2:
        return
    if (values == values[:, :, :1, :1]).all():
        for anchors in PUBLISHED_ANCHORS:
            yield np.asarray(anchors, np.float64).reshape(1, 3, 1, 1, 2)


def _grids_like(values: Floats, size_wh: tuple[int, int]) -> Iterator[Floats]:
    """Grids of an image's cells that have the shape of a constant: of one stride, or of all one after another."""
    if values.ndim == 5 and values.shape[4] == 2:
        for shift in (-0.5, 0.0, 0.5):
            yield _grid(values.shape[3], values.shape[2]).reshape(1, 1, *values.shape[2:]) + shift
    for strides in STRIDES:
        sizes = [(size_wh[0] // stride, size_wh[1] // stride) for stride in strides]
        if max(values.shape) != sum(width * height for width, height in sizes):
            continue
        points = np.concatenate([_grid(*size).reshape(-1, 2) for size in sizes])
        for numbers in (points, points[:, 0], points[:, 1]):
            yield from _shaped_like(values, numbers)


def _grid(width: int, height: int) -> Floats:
    """Column and row of every cell, (height, width, 2)."""
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return np.stack([columns, rows], axis=-1)


def _shaped_like(values: Floats, numbers: Floats) -> Iterator[Floats]:
    """Corners and centres of cells as they are and transposed, where that gives the shape of a constant."""
    flat = tuple(side for side in values.shape if side != 1)
    for array in (numbers, numbers.T) if numbers.ndim == 2 else (numbers,):
        if array.shape == flat:
            for shift in (0.5, 0.0):
                yield array.reshape(values.shape) + shift

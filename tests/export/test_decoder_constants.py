"""Decoder constants that a quantizer rounded are what they were; learned numbers stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.export.decoder_constants import PUBLISHED_ANCHORS, restored_constants

WH = (1280, 640)
RNG = np.random.default_rng(0)


def rounded(values: np.ndarray, step: float) -> np.ndarray:
    return np.rint(values / step) * step


def points(shift: float = 0.5) -> np.ndarray:
    """Cell centres of strides 8, 16 and 32, (cells, 2)."""
    grids = [np.meshgrid(np.arange(WH[0] // s), np.arange(WH[1] // s)) for s in (8, 16, 32)]
    return np.concatenate([np.stack(grid, -1).reshape(-1, 2) for grid in grids]) + shift


@pytest.mark.parametrize("step", [0.3, 1.26, 2.5])
@pytest.mark.parametrize("shape", [(1, 2, -1), (2, -1), (-1, 2)])
def test_cell_centres(step: float, shape: tuple[int, ...]) -> None:
    centres = (points() if shape == (-1, 2) else points().T).reshape(shape)
    restored = restored_constants(rounded(centres, step), np.asarray(step), WH)
    np.testing.assert_array_equal(restored, centres)  # type: ignore[arg-type]


def test_columns_alone_and_corners() -> None:
    columns = points(0.0)[:, 0].reshape(1, -1)
    np.testing.assert_array_equal(restored_constants(rounded(columns, 1.7), np.asarray(1.7), WH), columns)  # type: ignore[arg-type]


def test_a_grid_of_five_axes() -> None:
    grid = np.stack(np.meshgrid(np.arange(160.0), np.arange(80.0)), -1).reshape(1, 1, 80, 160, 2) - 0.5
    values = np.broadcast_to(grid, (1, 3, 80, 160, 2))
    np.testing.assert_array_equal(restored_constants(rounded(values, 1.26), np.asarray(1.26), None), values)  # type: ignore[arg-type]


@pytest.mark.parametrize("anchors", PUBLISHED_ANCHORS)
@pytest.mark.parametrize("cells", [(1, 1), (4, 6)])
def test_published_anchor_boxes(anchors: tuple[int, ...], cells: tuple[int, int]) -> None:
    step = max(anchors) / 127
    expected = np.broadcast_to(np.reshape(anchors, (1, 3, 1, 1, 2)), (1, 3, *cells, 2)).astype(float)
    np.testing.assert_array_equal(restored_constants(rounded(expected, step), np.asarray(step), None), expected)  # type: ignore[arg-type]


def test_other_anchor_boxes_of_a_coarse_grid_stay_as_they_are() -> None:
    anchors = np.reshape((111.3, 92.0, 150.9, 190.2, 380.0, 300.0), (1, 3, 1, 1, 2))
    assert restored_constants(rounded(anchors, 3.0), np.asarray(3.0), None) is None


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (1, 3, 4, 6, 2), (2, 21000 // 2), (1,)])
def test_learned_numbers_stay_as_they_are(shape: tuple[int, ...]) -> None:
    values = rounded(RNG.normal(0, 1, shape), 0.02)
    assert restored_constants(values, np.asarray(0.02), WH) is None


def test_an_enormous_declared_size_is_not_laid_out() -> None:
    assert restored_constants(np.array([0.3, 0.7]), np.asarray(0.01), (1 << 40, 1 << 40)) is None

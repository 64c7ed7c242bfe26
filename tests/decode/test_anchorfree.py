from __future__ import annotations

import numpy as np

from edgekit.decode.anchorfree import box_places, decode_boxes, dfl_distances


def test_places_by_hand() -> None:
    places = box_places((2, 3), 8)
    assert places.shape == (6, 8)
    assert places[0].tolist() == [4, 4, 4, 4, -8, -8, 8, 8]
    assert places[5].tolist() == [20, 12, 20, 12, -8, -8, 8, 8]


def test_a_box_by_hand() -> None:
    """Without bins the rows are left, top, right, bottom in cells, from the centre at 20, 12."""
    rows = np.array([[1, 0.5, 2, 0]], np.float32)
    assert decode_boxes(rows, box_places((2, 3), 8)[5:], reg_max=1).tolist() == [[12, 8, 36, 12]]


def test_distances_are_expectations_and_leave_the_rows_alone() -> None:
    rows = np.random.default_rng(1).normal(0, 30, (7, 64)).astype(np.float32)
    before = rows.copy()
    bins = before.astype(np.float64).reshape(7, 4, 16)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    expected = (weights * np.arange(16)).sum(axis=2) / weights.sum(axis=2)
    np.testing.assert_allclose(dfl_distances(rows, reg_max=16), expected, atol=1e-4)
    assert dfl_distances(rows[:0], reg_max=16).shape == (0, 4)
    np.testing.assert_array_equal(rows, before)

from __future__ import annotations

import numpy as np

from edgekit.decode.anchorfree import AnchorFreeHeads, decode_boxes, dfl_distances
from edgekit.decode.heads import Heads
from tests.decode.scenes import make_spec


def test_centers_by_hand() -> None:
    """A 96x64 input has 12 cells in a row of stride 8, 6 of stride 16."""
    fine, coarse, _ = AnchorFreeHeads(Heads(make_spec()), extra_role="mask", score_threshold=0.5).grids
    assert (fine.width, fine.centers_xyxy.shape, coarse.centers_xyxy.shape) == (12, (96, 4), (24, 4))
    assert fine.centers_xyxy[[0, 14]].tolist() == [[4, 4, 4, 4], [20, 12, 20, 12]]
    assert coarse.centers_xyxy[7].tolist() == [24, 24, 24, 24]


def test_a_box_by_hand() -> None:
    """Without bins the rows are left, top, right, bottom in cells, from the centre at 20, 12."""
    rows = np.array([[1, 0.5, 2, 0]], np.float32)
    centers = np.array([[20, 12, 20, 12]], np.float32)
    assert decode_boxes(rows, centers, np.array([8], np.int32), reg_max=1).tolist() == [[12, 8, 36, 12]]


def test_distances_are_expectations_and_leave_the_rows_alone() -> None:
    rows = np.random.default_rng(1).normal(0, 30, (7, 64)).astype(np.float32)
    before = rows.copy()
    bins = before.astype(np.float64).reshape(7, 4, 16)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    expected = (weights * np.arange(16)).sum(axis=2) / weights.sum(axis=2)
    np.testing.assert_allclose(dfl_distances(rows, reg_max=16), expected, atol=1e-4)
    assert dfl_distances(rows[:0], reg_max=16).shape == (0, 4)
    np.testing.assert_array_equal(rows, before)

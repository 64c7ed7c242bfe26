from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgekit.tracking.assignment import MARGIN, linear_assignment, match


def cheapest(costs: np.ndarray) -> float:
    """By the definition: the least of all assignments."""
    if costs.shape[0] > costs.shape[1]:
        costs = costs.T
    count, width = costs.shape
    return min(
        sum(float(costs[row, column]) for row, column in enumerate(columns))
        for columns in itertools.permutations(range(width), count)
    )


def test_by_hand() -> None:
    costs = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]], np.float64)
    rows, columns = linear_assignment(costs)
    assert rows.tolist() == [0, 1, 2]
    assert columns.tolist() == [1, 0, 2]


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (4, 4), (6, 5)])
@pytest.mark.parametrize("ties", [False, True])
def test_no_assignment_is_cheaper(shape: tuple[int, int], ties: bool) -> None:
    rng = np.random.default_rng(sum(shape))
    for _ in range(30):
        costs = rng.integers(0, 3, shape).astype(float) if ties else rng.normal(0, 1, shape)
        rows, columns = linear_assignment(costs)
        assert len(rows) == len(set(rows)) == len(set(columns)) == min(shape)
        assert rows.tolist() == sorted(rows)
        assert costs[rows, columns].sum() == pytest.approx(cheapest(costs))


def test_large_ones_cost_what_scipy_finds() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(3)
    for shape in ((60, 60), (40, 90), (90, 40)):
        for costs in (rng.random(shape), rng.integers(0, 5, shape).astype(float), np.outer(*map(np.arange, shape))):
            ours, theirs = linear_assignment(costs.astype(float)), optimize.linear_sum_assignment(costs)
            assert costs[ours].sum() == pytest.approx(costs[theirs].sum())


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape: tuple[int, int]) -> None:
    for rows, columns in (linear_assignment(np.zeros(shape)), match(np.zeros(shape), max_cost=1)):
        assert rows.shape == columns.shape == (0,)


def test_pairs_above_the_limit_are_none() -> None:
    costs = np.array([[0.1, 0.3], [0.2, 0.95]])
    assert [v.tolist() for v in match(costs, max_cost=0.25)] == [[0], [0]]
    assert [v.tolist() for v in match(costs, max_cost=0.9)] == [[0, 1], [1, 0]]  # two pairs save more than one
    assert match(costs, max_cost=0.05)[0].shape == (0,)


def test_match_saves_the_most() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        costs = rng.random(rng.integers(1, 6, 2)).round(1)
        limit = round(float(rng.random()), 1)
        rows, columns = match(costs, max_cost=limit)
        assert (costs[rows, columns] <= limit).all()
        assert len(set(rows)) == len(set(columns)) == len(rows)
        saved = np.where(costs <= limit, limit + MARGIN - costs, 0)
        assert saved[rows, columns].sum() == pytest.approx(-cheapest(-saved))

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.evaluation.tensor_metrics import MetricSums


def figures(a: np.ndarray, b: np.ndarray, *, fit: bool = False):  # type: ignore[no-untyped-def]
    sums = MetricSums()
    sums.add(a, b, fit=fit)
    return sums.metrics()


def test_by_hand() -> None:
    one = figures(np.asarray([3.0, 4.0]), np.asarray([3.0, 0.0]))
    assert one.cosine == pytest.approx(9 / (5 * 3))
    assert (one.mse, one.max_abs) == (pytest.approx(8), 4)
    assert one.sqnr_db == pytest.approx(10 * math.log10(25 / 16))
    assert (one.elements, one.unequal) == (2, None)


def test_equal_tensors_and_zeros() -> None:
    same = figures(np.asarray([1.5, -2.0]), np.asarray([1.5, -2.0]))
    assert (same.cosine, same.mse, same.sqnr_db, same.max_abs) == (1, 0, math.inf, 0)
    assert same.to_dict()["sqnr_db"] is None  # JSON has no infinity
    zeros = figures(np.zeros(3), np.zeros(3))
    assert (zeros.cosine, zeros.mse) == (1, 0)
    assert figures(np.ones(3), np.zeros(3)).cosine == 0
    assert figures(np.zeros(0), np.zeros(0)).cosine == 1


def test_integers_without_a_unit_are_fitted() -> None:
    values = np.random.default_rng(0).normal(size=500)
    ints = np.rint(values / 0.05).astype(np.int8)
    one = figures(values, ints, fit=True)
    assert one.fitted and one.max_abs < 0.03 and one.sqnr_db > 30
    assert figures(values, ints).mse > 1


def test_integers_of_both_sides_are_counted_where_they_differ() -> None:
    assert figures(np.asarray([1, 2, 3], np.int8), np.asarray([1, 9, 3], np.int32)).unequal == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_sums_over_images_are_the_figures_of_all_at_once(seed: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(images, 40)), rng.normal(size=(images, 40))
    sums = MetricSums()
    for x, y in zip(a, b, strict=True):
        sums.add(x, y, fit=False)
    streamed, once = sums.metrics(), figures(a.ravel(), b.ravel())
    assert streamed.cosine == pytest.approx(once.cosine, abs=1e-12)
    assert streamed.mse == pytest.approx(once.mse) and streamed.max_abs == once.max_abs

"""The growing histogram: any portions, any order, the same counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.sim.compiler.calibration import histogram as histogram_module
from edgekit.sim.compiler.calibration.histogram import BINS, Histogram


def whole(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.add(values)
    return histogram


def same(a: Histogram, b: Histogram) -> bool:
    parts = ((a.counts, b.counts), (a.tail, b.tail))
    return a.reach == b.reach and a.largest == b.largest and all(np.array_equal(x, y) for x, y in parts)


def test_golden() -> None:
    histogram = whole(np.array([0.0, 1.0, -1.0, 3.0], np.float32))
    assert histogram.reach == 4.0 and histogram.largest == 3.0 and histogram.total == 4
    assert histogram.counts[0] == 1
    assert histogram.counts[BINS // 4] == 2
    assert histogram.counts[3 * BINS // 4] == 1


@given(st.integers(0, 1000), st.integers(1, 6), st.floats(1e-6, 1e6))
def test_portions_and_order_do_not_matter(seed: int, portions: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.standard_t(2, 500) * size).astype(np.float32)
    streamed, backwards = Histogram(), Histogram()
    parts = np.array_split(values, portions)
    for part in parts:
        streamed.add(part)
    for part in reversed(parts):
        backwards.add(part)
    assert same(streamed, whole(values)) and same(backwards, whole(values))


def test_counts_equal_numpys() -> None:
    values = np.random.default_rng(3).normal(0, 5, 4000).astype(np.float32)
    histogram = whole(values)
    expected, _ = np.histogram(np.abs(values), bins=BINS, range=(0, histogram.reach))
    assert np.array_equal(histogram.counts, expected)


def test_the_largest_values_are_kept_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram_module, "TAIL", 5)
    monkeypatch.setattr(histogram_module, "BLOCK", 16)
    values = np.random.default_rng(4).normal(0, 5, 1000).astype(np.float32)
    streamed = Histogram()
    for part in np.array_split(values, 7):
        streamed.add(part)
    assert np.array_equal(streamed.tail, np.sort(np.abs(values))[-5:])


def test_nothing_and_zeros() -> None:
    assert whole(np.zeros(0, np.float32)).total == 0
    zeros = whole(np.zeros(7, np.float32))
    assert zeros.total == 7 and zeros.largest == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        whole(np.array([1.0, value], np.float32))

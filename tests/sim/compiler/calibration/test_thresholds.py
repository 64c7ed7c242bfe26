"""Calibrators on histograms whose best threshold is known."""

from functools import partial

import numpy as np
import pytest

from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.thresholds import (
    MIXED_CALIBRATORS,
    SMALLEST_THRESHOLD,
    kl_threshold,
    least_error_threshold,
    max_threshold,
    percentile_threshold,
    squared_error,
    threshold_rule,
)

RULES = [threshold_rule(calibrator) for calibrator in MIXED_CALIBRATORS]


def of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return histogram


def test_max_is_the_largest_magnitude() -> None:
    assert max_threshold(of(np.array([0.5, -3.25, 1.0]))) == 3.25


def test_percentile_golden() -> None:
    """The value at int(0.9 * 1000) of the sorted ones, counted from 0, as in the vendor's builds."""
    values = np.arange(1, 1001) / 10.0  # 0.1 .. 100.0
    assert percentile_threshold(of(values), fraction=0.9) == np.float32(90.1)
    assert percentile_threshold(of(values), fraction=1.0) == 100.0


def test_percentile_below_the_kept_values_is_within_half_a_bin() -> None:
    values = np.linspace(0, 100, 200_001)
    histogram = of(values)
    assert 0.9 * histogram.total < histogram.total - histogram.tail.size
    assert percentile_threshold(histogram, fraction=0.9) == pytest.approx(90.0, abs=histogram.bin_width / 2 + 1e-3)


def test_percentile_drops_rare_outliers() -> None:
    values = np.concatenate([np.linspace(0, 1, 99_999), [50.0]])
    assert percentile_threshold(of(values), fraction=0.9999) == pytest.approx(1.0, abs=0.01)


def test_kl_keeps_a_uniform_range() -> None:
    assert kl_threshold(of(np.linspace(-2, 2, 200_000))) > 1.9


def test_kl_clips_a_long_thin_tail() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 500_000), rng.uniform(20, 40, 20)])
    assert 3.0 < kl_threshold(of(values)) < 12.0


def test_least_error_is_no_worse_than_any_candidate() -> None:
    histogram = of(np.random.default_rng(1).standard_t(3, 100_000))
    best = least_error_threshold(histogram, candidates=tuple(RULES))
    errors = [squared_error(histogram, rule(histogram)) for rule in RULES]
    assert squared_error(histogram, best) == min(errors)


def test_squared_error_of_a_full_range_is_a_twelfth_of_a_step() -> None:
    histogram = of(np.linspace(0, 1, 1_000_000))
    assert squared_error(histogram, 1.0) == pytest.approx((1 / 127) ** 2 / 12, rel=0.02)


@pytest.mark.parametrize("rule", [*RULES, partial(percentile_threshold, fraction=0.5)])
def test_zeros_and_nothing_still_have_a_scale(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule(of(np.zeros(10))) >= SMALLEST_THRESHOLD
    assert rule(Histogram()) >= SMALLEST_THRESHOLD


def test_thresholds_scale_with_the_data() -> None:
    values = np.random.default_rng(2).normal(0, 1, 50_000)
    for rule in RULES:
        assert rule(of(values * 8)) == pytest.approx(8 * rule(of(values)), rel=1e-6)

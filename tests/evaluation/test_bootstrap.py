from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ConfigError
from edgekit.evaluation.bootstrap import difference, image_weights, interval, ratio


def test_the_first_row_is_the_set_itself_and_the_rest_draws_as_many() -> None:
    weights = image_weights(9, 50, seed=1)
    assert weights.shape == (51, 9) and (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 9).all()
    assert np.array_equal(weights, image_weights(9, 50, seed=1))
    assert not np.array_equal(weights, image_weights(9, 50, seed=2))


def test_an_interval_holds_95_percent_of_the_draws() -> None:
    one = interval(np.concatenate([[5.0], np.arange(1001) / 1000]))
    assert one.value == 5.0
    assert (one.low, one.high) == pytest.approx((0.025, 0.975))


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    weights = image_weights(60, 400)
    covered = 0
    for _ in range(200):
        sample = rng.exponential(2.0, 60)
        one = interval(weights @ sample / 60)
        covered += one.low <= 2.0 <= one.high
    assert 176 <= covered <= 198  # 95 % nominal; a little under with skewed data


def test_pairing_takes_the_images_noise_out() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.2, 0.9, 80)
    weights = image_weights(80, 500)
    a, b = weights @ (reference * 0.97) / 80, weights @ reference / 80
    kept = ratio(a, b)
    assert kept.value == pytest.approx(0.97) and kept.high - kept.low < 1e-9
    assert interval(a).high - interval(a).low > 0.05
    assert difference(a, b).high < 0


def test_undefined_figures_stay_undefined() -> None:
    nothing = ratio(np.asarray([0.0, 0.0]), np.asarray([0.0, 0.0]))
    assert np.isnan(nothing.value) and nothing.to_dict() == {"value": None, "low": None, "high": None}
    assert interval(np.asarray([0.4])).to_dict() == {"value": 0.4, "low": None, "high": None}
    with pytest.raises(ConfigError, match="resamples is -1"):
        image_weights(4, -1)

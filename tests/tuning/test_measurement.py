"""Relative errors by output, and their ratio on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.tuning.measurement import (
    Measurement,
    OutputErrors,
    constraint_value,
    error_intervals,
    loss,
    measurement_from_json,
)

# Two images, two outputs: noise 1 + 3 of signal 16 + 48 -> sqrt(4 / 64) = 0.25; noise 9 of 100 -> 0.3.
SUMS = {"noise": [[1, 4], [3, 5]], "signal": [[16, 50], [48, 50]]}
RAW, ROLES = {**SUMS, "outputs": ["a", "b"]}, {**SUMS, "outputs": ["class", "box"]}
BOTH = measurement_from_json({"everywhere": RAW, "weighted": {**ROLES, "noise": [[4, 16], [12, 20]]}})
ERRORS = BOTH.everywhere


def test_by_output_pools_the_images() -> None:
    assert ERRORS.by_output().tolist() == pytest.approx([0.25, 0.3])
    assert ERRORS.mean == pytest.approx(0.275)


def test_both_ways_of_measuring_are_read() -> None:
    assert BOTH.weighted.by_output().tolist() == pytest.approx([0.5, 0.6])


def weighted(noise: list[list[int]]) -> Measurement:
    roles = {"outputs": ["class", "box"], "noise": noise, "signal": [[100, 100]] * len(noise)}
    return measurement_from_json({"everywhere": RAW, "weighted": roles})


def test_loss_is_the_mean_ratio_of_what_detections_are_made_of() -> None:
    """Scores count twice; roots image by image: 2 + 4 of scores against 4 + 8, 3 + 9 of boxes against 1 + 3."""
    before = weighted([[16, 1], [64, 9]])
    assert loss(BOTH, BOTH) == pytest.approx(1)
    assert loss(weighted([[4, 9], [16, 81]]), before) == pytest.approx((2 * 0.5 + 3) / 3)


def test_one_odd_image_does_not_outweigh_the_others() -> None:
    """Three images halve, one grows tenfold: the sums of squares would say 5."""
    before = weighted([[4, 4]] * 4)
    assert loss(weighted([[1, 1]] * 3 + [[400, 400]]), before) == pytest.approx((3 * 1 + 20) / 8)


def test_raw_errors_alone_change_no_loss() -> None:
    noisy = OutputErrors(("a", "b"), 100 * ERRORS.noise, ERRORS.signal)
    assert loss(Measurement(noisy, BOTH.weighted), BOTH) == pytest.approx(1)


def test_a_role_without_error_changes_no_loss() -> None:
    """On images without objects no error of boxes is left."""
    none = weighted([[0, 0], [0, 0]])
    assert loss(none, none) == 1


def test_the_constraint_is_the_worst_role() -> None:
    before = weighted([[16, 1], [64, 9]])
    assert constraint_value(weighted([[4, 0], [16, 0]]), before) == pytest.approx(0.5)
    assert constraint_value(weighted([[0, 1], [0, 9]]), before) == pytest.approx(
        1
    )  # boxes stay, however good scores are


def test_weights_count_images() -> None:
    rows = ERRORS.by_output(np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert rows[0].tolist() == pytest.approx([0.25, 0.3])
    assert rows[1].tolist() == pytest.approx([0.25, np.sqrt(4 / 50)])


def test_ratio_is_paired() -> None:
    rng = np.random.default_rng(1)
    noise, signal = rng.uniform(1, 50, (30, 2)), rng.uniform(100, 200, (30, 2))
    reference = OutputErrors(("a", "b"), noise, signal)
    half = OutputErrors(("a", "b"), noise / 4, signal)
    for name, one in error_intervals(half, reference):
        assert name in ("a", "b")
        assert (one.value, one.low, one.high) == pytest.approx((0.5, 0.5, 0.5))  # the images' own noise cancels


def test_ratio_of_unlike_images_has_an_interval() -> None:
    rng = np.random.default_rng(2)
    signal = np.full((40, 1), 100.0)
    found = OutputErrors(("a",), rng.uniform(1, 3, (40, 1)), signal)
    reference = OutputErrors(("a",), rng.uniform(2, 6, (40, 1)), signal)
    ((_, one),) = error_intervals(found, reference)
    assert one.low < one.value < one.high < 1


def test_json_is_exact() -> None:
    assert measurement_from_json(BOTH.to_json()).to_json() == BOTH.to_json()

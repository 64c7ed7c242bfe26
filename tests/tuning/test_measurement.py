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
    return measurement_from_json({"everywhere": RAW, "weighted": {**ROLES, "noise": noise}})


def test_loss_is_the_mean_ratio_of_what_detections_are_made_of() -> None:
    """Scores count twice; the root of a quarter and of a ninth of the sums."""
    assert loss(BOTH, BOTH) == pytest.approx(1)
    assert loss(weighted([[1, 20], [3, 16]]), BOTH) == pytest.approx((2 * 0.5 + 1) / 3)
    assert loss(weighted([[4, 4], [12, 0]]), BOTH) == pytest.approx((2 * 1 + 1 / 3) / 3)


def test_raw_errors_alone_change_no_loss() -> None:
    noisy = OutputErrors(("a", "b"), 100 * ERRORS.noise, ERRORS.signal)
    assert loss(Measurement(noisy, BOTH.weighted), BOTH) == pytest.approx(1)


def test_a_role_without_error_changes_no_loss() -> None:
    """On images without objects no error of boxes is left."""
    none = weighted([[0, 0], [0, 0]])
    assert loss(none, none) == 1


def test_the_constraint_is_the_worst_role() -> None:
    assert constraint_value(weighted([[1, 4], [3, 0]]), BOTH) == pytest.approx(0.5)  # scores to 1/2, boxes to 1/3
    assert constraint_value(weighted([[0, 16], [0, 20]]), BOTH) == pytest.approx(
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

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
BOTH = measurement_from_json(
    {"outputs": ["a", "b"], "everywhere": SUMS, "weighted": {**SUMS, "noise": [[4, 16], [12, 20]]}}
)
ERRORS = BOTH.everywhere


def test_by_output_pools_the_images() -> None:
    assert ERRORS.by_output().tolist() == pytest.approx([0.25, 0.3])
    assert ERRORS.mean == pytest.approx(0.275)


def test_both_ways_of_measuring_are_read() -> None:
    assert BOTH.weighted.by_output().tolist() == pytest.approx([0.5, 0.6])


def test_loss_is_the_mean_of_all_ratios() -> None:
    assert loss(BOTH, BOTH) == pytest.approx(1)
    assert loss(Measurement(ERRORS, ERRORS), BOTH) == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)


def test_an_output_without_error_changes_no_loss() -> None:
    """On images without objects no weighted error is left."""
    none = measurement_from_json(
        {"outputs": ["a", "b"], "everywhere": SUMS, "weighted": {**SUMS, "noise": [[0, 0], [0, 0]]}}
    )
    assert loss(none, none) == 1


def test_the_constraint_is_the_worst_output() -> None:
    better = measurement_from_json(
        {"outputs": ["a", "b"], "everywhere": {**SUMS, "noise": [[1, 1], [0, 0]]}, "weighted": SUMS}
    )
    assert constraint_value(better, BOTH) == pytest.approx(0.5)  # a falls to 1/2, b to 1/3, both to 1/2 weighted
    bad = measurement_from_json(
        {"outputs": ["a", "b"], "everywhere": {**SUMS, "noise": [[0, 4], [0, 5]]}, "weighted": SUMS}
    )
    assert constraint_value(bad, BOTH) == pytest.approx(1)  # b stays, however good a is


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

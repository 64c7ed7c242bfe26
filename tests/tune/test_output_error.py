"""Relative errors by output, and their ratio on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.tune.output_error import Errors, OutputErrors, error_ratio, errors_from, loss, worst

# Two images, two outputs: noise 1 + 3 of signal 16 + 48 -> sqrt(4 / 64) = 0.25; noise 9 of 100 -> 0.3.
SUMS = {"noise": [[1, 4], [3, 5]], "signal": [[16, 50], [48, 50]]}
BOTH = errors_from({"outputs": ["a", "b"], "everywhere": SUMS, "seen": {**SUMS, "noise": [[4, 16], [12, 20]]}})
ERRORS = BOTH.everywhere


def test_by_output_pools_the_images() -> None:
    assert ERRORS.by_output().tolist() == pytest.approx([0.25, 0.3])
    assert ERRORS.mean == pytest.approx(0.275)


def test_both_ways_of_measuring_are_read() -> None:
    assert BOTH.seen.by_output().tolist() == pytest.approx([0.5, 0.6])


def test_loss_is_the_mean_of_all_ratios() -> None:
    assert loss(BOTH, BOTH) == pytest.approx(1)
    assert loss(Errors(ERRORS, ERRORS), BOTH) == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)


def test_an_output_without_error_changes_no_loss() -> None:
    """On images without objects nothing is wrong where objects are."""
    none = errors_from({"outputs": ["a", "b"], "everywhere": SUMS, "seen": {**SUMS, "noise": [[0, 0], [0, 0]]}})
    assert loss(none, none) == 1


def test_a_wish_is_held_against_the_worst_output() -> None:
    better = errors_from({"outputs": ["a", "b"], "everywhere": {**SUMS, "noise": [[1, 1], [0, 0]]}, "seen": SUMS})
    assert worst(better, BOTH) == pytest.approx(0.5)  # a falls to 1/2, b to 1/3, both to 1/2 where objects are
    bad = errors_from({"outputs": ["a", "b"], "everywhere": {**SUMS, "noise": [[0, 4], [0, 5]]}, "seen": SUMS})
    assert worst(bad, BOTH) == pytest.approx(1)  # b stays, however good a is


def test_weights_count_images() -> None:
    rows = ERRORS.by_output(np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert rows[0].tolist() == pytest.approx([0.25, 0.3])
    assert rows[1].tolist() == pytest.approx([0.25, np.sqrt(4 / 50)])


def test_ratio_is_paired() -> None:
    rng = np.random.default_rng(1)
    noise, signal = rng.uniform(1, 50, (30, 2)), rng.uniform(100, 200, (30, 2))
    reference = OutputErrors(("a", "b"), noise, signal)
    half = OutputErrors(("a", "b"), noise / 4, signal)
    for name, one in error_ratio(half, reference):
        assert name in ("a", "b")
        assert (one.value, one.low, one.high) == pytest.approx((0.5, 0.5, 0.5))  # the images' own noise cancels


def test_ratio_of_unlike_images_has_an_interval() -> None:
    rng = np.random.default_rng(2)
    signal = np.full((40, 1), 100.0)
    found = OutputErrors(("a",), rng.uniform(1, 3, (40, 1)), signal)
    reference = OutputErrors(("a",), rng.uniform(2, 6, (40, 1)), signal)
    ((_, one),) = error_ratio(found, reference)
    assert one.low < one.value < one.high < 1

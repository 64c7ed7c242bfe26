"""When a learned build is better: pooled over images, in nearly all draws of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", minversion="2.1")

from edgekit.learn.judge import is_smaller, loss_ratio


def test_the_ratio_is_that_of_the_pooled_losses() -> None:
    """Roots 1 and 3 over 2 and 6: half of them, so a quarter of the loss, whichever image is drawn."""
    one = loss_ratio(np.array([1.0, 9.0]), np.array([4.0, 36.0]))
    assert (one.value, one.low, one.high) == pytest.approx((0.25, 0.25, 0.25))


def test_better_on_every_image_is_better() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.1, 3, 64)
    assert is_smaller(0.9 * reference, reference)
    assert not is_smaller(reference, reference)
    assert not is_smaller(1.1 * reference, reference)


def test_better_by_a_few_images_alone_is_not() -> None:
    """Two of 64 images are far better, all others a little worse: the mean is below, many draws are not."""
    reference = np.ones(64)
    losses = np.full(64, 1.03)
    losses[:2] = 0.0
    assert loss_ratio(losses, reference).value < 1
    assert not is_smaller(losses, reference)

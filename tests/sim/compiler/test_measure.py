"""Distances between a float tensor and its integers."""

import numpy as np
import pytest

from edgekit.sim.compiler.measure import Distance


def test_golden() -> None:
    distance = Distance()
    distance.add(np.array([3.0, 4.0]), np.array([4.0, 3.0]))
    assert distance.cosine == pytest.approx(24 / 25)
    assert distance.l1 == 1.0 and distance.largest == 1.0
    assert distance.l2 == pytest.approx(2**0.5 / 2)


def test_images_add_up() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 50)), rng.normal(size=(4, 50))
    whole, parts = Distance(), Distance()
    whole.add(a, b)
    for x, y in zip(a, b, strict=True):
        parts.add(x, y)
    assert parts.cosine == pytest.approx(whole.cosine) and parts.l1 == pytest.approx(whole.l1)


def test_zeros() -> None:
    both, one = Distance(), Distance()
    both.add(np.zeros(3), np.zeros(3))
    one.add(np.zeros(3), np.ones(3))
    assert both.cosine == 1.0 and one.cosine == 0.0
    assert Distance().cosine == 1.0 and Distance().l1 == 0.0

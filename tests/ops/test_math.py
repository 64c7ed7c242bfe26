from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.ops.math import logit, sigmoid, softmax


def test_sigmoid_by_hand_and_at_the_ends() -> None:
    x = np.array([0.0, math.log(3), -1000.0, 1000.0], np.float32)
    np.testing.assert_allclose(sigmoid(x), [0.5, 0.75, 0.0, 1.0], atol=1e-6)
    assert sigmoid(x).dtype == np.float32


@pytest.mark.parametrize("probability", [0.001, 0.25, 0.5, 0.999])
def test_logit_is_the_inverse(probability: float) -> None:
    assert sigmoid(np.array([logit(probability)], np.float32))[0] == pytest.approx(probability, rel=1e-4)


def test_logit_at_the_ends() -> None:
    assert (logit(0), logit(1)) == (-math.inf, math.inf)


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(
        softmax(np.log(np.array([[1, 3], [2000, 2000]], np.float32))), [[0.25, 0.75], [0.5, 0.5]]
    )
    assert softmax(np.zeros((0, 4), np.float32)).shape == (0, 4)

"""Sigmoid and its inverse, softmax: numerically safe, float32."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def sigmoid(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return 1 / (1 + exp(-x)), by tanh, which cannot overflow.

    Args:
        x: float32 of any shape.

    Returns:
        float32 of the same shape.
    """
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5, np.float32)


def logit(probability: float) -> float:
    """Return the x with sigmoid(x) = probability.

    Args:
        probability: 0..1.

    Returns:
        -inf at 0 and below, +inf at 1 and above.
    """
    if probability <= 0:
        return -math.inf
    if probability >= 1:
        return math.inf
    return -math.log(1 / probability - 1)


def softmax(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the softmax over the last axis.

    Args:
        x: (..., n) float32.

    Returns:
        (..., n) float32 that add up to 1.
    """
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)

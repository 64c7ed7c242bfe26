"""Weights as the vendor's compiler rounds them: steps in float32, the middle away from 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from edgekit.bpu import WEIGHT_MAX
from edgekit.sim.compiler.emit.conv import _round_weights, _thresholds, weight_steps

PEAKS = np.array([0.9711906909942627, 0.24825674295425415, 1.0], np.float64)


def steps_of(peaks: np.ndarray, bias: np.ndarray) -> np.ndarray:
    writer: Any = SimpleNamespace(plan=SimpleNamespace(source={}))
    return weight_steps(writer, "head", peaks, bias, x_scale=0.01, x_bits=8)


def test_the_middle_goes_away_from_0() -> None:
    scaled = np.array([63.5, -63.5, 0.5, -0.5, 2.4999, 126.6, 130.0, -130.0])
    assert _round_weights(scaled).tolist() == [64, -64, 1, -1, 2, 127, 127, -127]


def test_steps_are_float32() -> None:
    """So half of a peak, 63.5 steps, is rounded up in some channels and down in others."""
    steps = steps_of(PEAKS, np.zeros(3))
    assert steps.tolist() == [float(np.float32(peak) / np.float32(WEIGHT_MAX)) for peak in PEAKS]
    halves = _round_weights(np.float32(PEAKS / 2) / steps)
    assert set(halves.tolist()) <= {63, 64} and halves.dtype == np.int8


def test_thresholds_are_the_peaks_unless_a_step_is_larger() -> None:
    steps = steps_of(PEAKS, np.zeros(3))
    assert _thresholds(steps, PEAKS).tolist() == PEAKS.astype(np.float32).tolist()
    bias = np.array([0.0, 1e5, 0.0])
    larger = steps_of(PEAKS, bias)
    assert larger[1] > 2 * steps[1] and larger[0] == steps[0]
    assert _thresholds(larger, PEAKS)[1] == np.float32(larger[1] * WEIGHT_MAX)

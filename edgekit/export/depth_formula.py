"""How a depth model's raw numbers become distances, found by experiment on maps of one value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekit.decode.depth import ACTIVATIONS
from edgekit.spec import DepthActivation, DepthFormula

PROBES = (-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0)  # raw numbers, whose depths tell activations apart
MIN_PROBES = 3
SIMPLEST_FIRST: tuple[DepthActivation, ...] = ("linear", "exp", "sigmoid", "softplus")
FAR = 1e4  # a raw number beyond every limit
TOLERANCE = 1e-4  # relative


def formulas_of(depth_at: Callable[[float], float]) -> Iterator[DepthFormula]:
    """Yield the formulas that give a model's depths on maps of one value.

    Limits are what the model gives far beyond its usual numbers. Whether raw numbers or depths are interpolated does
    not show on such maps: each formula comes both ways.

    Args:
        depth_at: Raw number -> depth of a map that holds it everywhere.

    Yields:
        Formulas, the simplest first.
    """
    low, high = (_limit(depth_at(far), depth_at(2 * far)) for far in (-FAR, FAR))
    pairs = [(value, depth) for value in PROBES if (depth := depth_at(value)) not in (low, high)]
    if len(pairs) < MIN_PROBES:
        return
    values, depths = np.array(pairs, np.float32)[:, 0], np.array(pairs, np.float64)[:, 1]
    for activation in SIMPLEST_FIRST:
        gain = _exponent(values, depths) if activation == "exp" else 1.0
        if gain is None:
            continue
        shaped = ACTIVATIONS[activation](values * np.float32(gain)).astype(np.float64)
        factor, offset = np.polyfit(shaped, depths, 1)
        scale = max(1e-6, float(np.abs(depths).max()))
        if not factor > 0 or np.abs(factor * shaped + offset - depths).max() > TOLERANCE * scale:
            continue
        limits = _limits(activation, factor, offset, low, high)
        formula = DepthFormula(activation, _tidy(factor), _tidy(offset), _tidy(gain), *limits)
        for interpolates_raw, align_corners in itertools.product((False, True), repeat=2):
            yield replace(formula, interpolates_raw=interpolates_raw, align_corners=align_corners)


def _exponent(values: npt.NDArray[np.float32], depths: npt.NDArray[np.float64]) -> float | None:
    """The gain of depths that are exp(gain * value) times a factor; None where they are not."""
    if not (depths > 0).all():
        return None
    gain, shift = np.polyfit(values, np.log(depths), 1)
    fits = np.abs(gain * values + shift - np.log(depths)).max() <= TOLERANCE
    return float(gain) if fits and gain > 0 else None


def _limits(
    activation: DepthActivation, factor: float, offset: float, low: float | None, high: float | None
) -> tuple[float | None, float | None]:
    """Drop limits that the activation keeps by itself."""
    own_low = None if activation == "linear" else offset
    own_high = offset + factor if activation == "sigmoid" else None

    def kept(limit: float | None, own: float | None) -> float | None:
        implied = limit is None or (own is not None and math.isclose(limit, own, rel_tol=1e-4, abs_tol=1e-4 * factor))
        return None if limit is None or implied else _tidy(limit)

    return kept(low, own_low), kept(high, own_high)


def _limit(depth: float, farther: float) -> float | None:
    """The depth far out as a limit; None where it still grows with the raw number."""
    return depth if math.isfinite(depth) and depth == farther else None


def _tidy(value: float) -> float:
    """Round to the seven digits that float32 holds; what is nearly whole becomes so."""
    rounded = float(f"{value:.7g}")
    return float(round(rounded)) if abs(rounded - round(rounded)) < 1e-5 * max(1.0, abs(rounded)) else rounded

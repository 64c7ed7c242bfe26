"""Confidence intervals: the bootstrap over images, with the same draws for both models of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError

__all__ = ["RESAMPLES", "Float64Array", "Interval", "difference", "image_weights", "interval", "quotients", "ratio"]

Float64Array = npt.NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric and its 95 % bootstrap interval over images; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return plain JSON values, NaN as None."""
        return {name: _number(getattr(self, name)) for name in ("value", "low", "high")}


def image_weights(count: int, resamples: int = RESAMPLES, *, seed: int = 0) -> Float64Array:
    """Draw images with replacement.

    Args:
        count: Number of images.
        resamples: Number of draws.
        seed: Of the draws.

    Returns:
        (1 + resamples, count): the first row all ones, each further one how often every image was drawn.

    Raises:
        ConfigError: If `resamples` is out of range.
    """
    if resamples < 0 or resamples > 100_000:
        raise ConfigError(f"resamples is {resamples}, expected 0..100000", hint="1000 is usual")
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate([np.ones((1, count)), draws]).astype(np.float64)


def interval(values: Float64Array) -> Interval:
    """Return a metric with the percentile interval of its draws.

    Args:
        values: (1 + b,) the metric, then its value in each draw; draws where it is not defined (NaN) do not count.

    Returns:
        The interval.
    """
    draws = values[1:][np.isfinite(values[1:])]
    if not len(draws) or not np.isfinite(values[0]):
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(values[0]), float(low), float(high))


def ratio(values: Float64Array, reference: Float64Array) -> Interval:
    """Return the ratio of two metrics with its paired interval: the noise of the shared images cancels.

    Args:
        values: (1 + b,) of one model.
        reference: (1 + b,) of the other, for the same draws.

    Returns:
        The interval of `values / reference`.
    """
    return interval(quotients(values, reference))


def quotients(values: Float64Array, reference: Float64Array) -> Float64Array:
    """Divide draw by draw.

    Args:
        values: Any shape.
        reference: The same shape.

    Returns:
        `values / reference`, NaN where the reference is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(reference > 0, values / reference, np.nan))


def difference(values: Float64Array, reference: Float64Array) -> Interval:
    """Return the difference of two metrics with its paired interval.

    Args:
        values: (1 + b,) of one model.
        reference: (1 + b,) of the other, for the same draws.

    Returns:
        The interval of `values - reference`.
    """
    return interval(values - reference)


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

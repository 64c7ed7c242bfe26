"""How sure a figure is: the bootstrap over images, the same draws for both sides of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the range that holds 95 % of what resampled images give; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        return {name: _number(getattr(self, name)) for name in ("value", "low", "high")}


def image_weights(count: int, resamples: int = RESAMPLES, *, seed: int = 0) -> Floats:
    """(1 + resamples, count): the first row all ones, each other how often an image was drawn with replacement."""
    if resamples < 0 or resamples > 100_000:
        raise ConfigError(f"resamples is {resamples}, expected 0..100000", hint="1000 is usual")
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate([np.ones((1, count)), draws]).astype(np.float64)


def interval(values: Floats) -> Interval:
    """The figure (first value) and the percentile interval of the rest; resamples without it are left out."""
    rest = values[1:][np.isfinite(values[1:])]
    if not len(rest) or not np.isfinite(values[0]):
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(rest, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(values[0]), float(low), float(high))


def ratio(values: Floats, reference: Floats) -> Interval:
    """`values` over `reference`, draw by draw: what is kept, with the noise of the images that both share gone."""
    return interval(quotients(values, reference))


def quotients(values: Floats, reference: Floats) -> Floats:
    """`values` over `reference`, NaN where that is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(reference > 0, values / reference, np.nan))


def difference(values: Floats, reference: Floats) -> Interval:
    """`values` minus `reference`, draw by draw."""
    return interval(values - reference)


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

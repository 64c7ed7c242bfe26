"""Which thresholds: what the yaml's calibration_type asks for, or the best of all by the outputs' cosine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edgekit.errors import ConfigError
from edgekit.ptq import PtqConfig
from edgekit.sim.compiler.histogram import Histogram
from edgekit.sim.compiler.scales import ScalePlan
from edgekit.sim.compiler.thresholds import (
    CANDIDATES,
    DEFAULT_METHODS,
    KL_BINS,
    Calibrator,
    kl_threshold,
    least_error_threshold,
    max_threshold,
    percentile_threshold,
)

Thresholds = dict[str, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """The thresholds taken, by which method, and what each method tried scored (mean cosine of the outputs)."""

    method: str
    thresholds: Mapping[str, float]
    scores: Mapping[str, float]


def check_calibration(config: PtqConfig) -> None:
    """Refuses, by name, what the simulated compiler cannot do; before any image is read."""
    group = config.calibration_parameters
    if group.calibration_type in ("load", "skip"):
        raise _refused("calibration_type", group.calibration_type, "default, mix, kl or max")
    if group.per_channel:
        raise _refused("per_channel", True, "False: activations have one scale per tensor here")


def methods(config: PtqConfig) -> dict[str, Calibrator]:
    """The calibrators that the yaml asks for, by the name that the log shows: one, or several to choose from."""
    group = config.calibration_parameters
    if group.calibration_type == "default":
        return dict(DEFAULT_METHODS)
    if group.calibration_type == "mix":
        return {"mix": partial(least_error_threshold, candidates=tuple(CANDIDATES.values()))}
    if group.calibration_type == "kl":
        return {f"kl:num_bins={KL_BINS}": kl_threshold}
    fraction = 1.0 if group.max_percentile is None else group.max_percentile
    if fraction >= 1.0:
        return {"max": max_threshold}
    return {f"max-percentile:percentile={fraction:g}": partial(percentile_threshold, fraction=fraction)}


def thresholds_by(calibrator: Calibrator, histograms: Mapping[str, Histogram], plan: ScalePlan) -> Thresholds:
    """A threshold per observed tensor; 16 bits saturate where 8 bits do, as in the vendor's builds."""
    return {name: calibrator(histogram) for name, histogram in histograms.items() if name in plan.source}


def choose(
    asked: Mapping[str, Calibrator],
    histograms: Mapping[str, Histogram],
    plan: ScalePlan,
    score: Callable[[Thresholds], float],
) -> Choice:
    """The method with the highest `score`; the first of equals. One method alone is not scored."""
    tried = {name: thresholds_by(calibrator, histograms, plan) for name, calibrator in asked.items()}
    if len(tried) == 1:
        name, thresholds = next(iter(tried.items()))
        return Choice(name, thresholds, {})
    scores = {name: score(thresholds) for name, thresholds in tried.items()}
    best = max(scores, key=lambda name: scores[name])
    return Choice(best, tried[best], scores)


def _refused(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(
        f"calibration_parameters.{name} is {value!r}, which the simulated compiler cannot do, expected {expected}",
        hint=f"set {name} to one of those, or compile with --toolchain hb_mapper",
    )

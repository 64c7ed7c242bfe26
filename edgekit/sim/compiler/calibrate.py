"""Which thresholds: what the yaml's calibration_type asks for, or the best of all by the outputs' cosine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import ConfigError
from edgekit.ptq import PtqConfig
from edgekit.ptq.calibrator import Calibrator
from edgekit.sim.compiler.histogram import Histogram
from edgekit.sim.compiler.scales import ScalePlan
from edgekit.sim.compiler.thresholds import DEFAULT_CALIBRATORS, KL_BINS, ThresholdRule, threshold_rule

Thresholds = dict[str, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """The thresholds taken, by which calibrator, and the score of each one tried (mean cosine of the outputs)."""

    calibrator: Calibrator
    thresholds: Mapping[str, float]
    scores: Mapping[Calibrator, float]


def check_calibration(config: PtqConfig) -> None:
    """Refuses, by name, what the simulated compiler cannot do; before any image is read."""
    group = config.calibration_parameters
    if group.calibration_type in ("load", "skip"):
        raise _refused("calibration_type", group.calibration_type, "default, mix, kl or max")
    if group.per_channel:
        raise _refused("per_channel", True, "False: activations have one scale per tensor here")


def calibrators(config: PtqConfig) -> tuple[Calibrator, ...]:
    """Return the calibrators that the yaml asks for: one, or several to choose from."""
    group = config.calibration_parameters
    if group.calibration_type == "default":
        return DEFAULT_CALIBRATORS
    if group.calibration_type == "mix":
        return (Calibrator("mix"),)
    if group.calibration_type == "kl":
        return (Calibrator("kl", bins=KL_BINS),)
    percentile = group.max_percentile
    return (Calibrator("max", percentile if percentile is not None and percentile < 1 else None),)


def thresholds_by(rule: ThresholdRule, histograms: Mapping[str, Histogram], plan: ScalePlan) -> Thresholds:
    """Return a threshold per observed tensor; 16 bits saturate where 8 bits do, as in the vendor's builds."""
    return {name: rule(histogram) for name, histogram in histograms.items() if name in plan.source}


def choose(
    candidates: Sequence[Calibrator],
    histograms: Mapping[str, Histogram],
    plan: ScalePlan,
    score: Callable[[Thresholds], float],
) -> Choice:
    """Return the calibrator with the highest `score`, the first of equals; a single one is not scored."""
    tried = {calibrator: thresholds_by(threshold_rule(calibrator), histograms, plan) for calibrator in candidates}
    if len(tried) == 1:
        calibrator, thresholds = next(iter(tried.items()))
        return Choice(calibrator, thresholds, {})
    scores = {calibrator: score(thresholds) for calibrator, thresholds in tried.items()}
    best = max(scores, key=lambda calibrator: scores[calibrator])
    return Choice(best, tried[best], scores)


def _refused(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(
        f"calibration_parameters.{name} is {value!r}, which the simulated compiler cannot do, expected {expected}",
        hint=f"set {name} to one of those, or compile with --toolchain hb_mapper",
    )

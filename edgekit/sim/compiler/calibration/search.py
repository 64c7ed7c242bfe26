"""The calibration of a build: histograms once, then the best calibrator by the cosine of the outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgekit.calibration.samples import evenly_spaced
from edgekit.progress import Progress
from edgekit.ptq.calibrator import Calibrator
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.calibration.declared import declared_thresholds
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.thresholds import ThresholdRule, calibrators, threshold_rule
from edgekit.sim.compiler.inputs import CalibrationImage, in_memory
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.sim.compiler.scales import ScalePlan

SEARCH_IMAGES = 8  # on which the methods are compared: their outputs stay in memory


Thresholds = dict[str, float]


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """The thresholds taken, by which calibrator, and the score of each one tried (mean cosine of the outputs)."""

    calibrator: Calibrator
    thresholds: Mapping[str, float]
    scores: Mapping[Calibrator, float]


def calibrated(prepared: PreparedModel, log: BuildLog, progress: Progress) -> CalibrationResult:
    """The thresholds that the yaml asks for; `log` tells how they came about."""
    job = prepared.job
    candidates = calibrators(job.config)
    log.add("Start to calibrate the model.")
    log.add(f"There are {len(job.calibration_files)} samples in the data set.")
    log.add(f"Run calibration model with {' | '.join(map(str, candidates))} method.")
    histograms = observe(job, prepared.graph, prepared.plan.observed, progress=progress)
    score = _Score(prepared, len(candidates), progress)
    fixed = declared_thresholds(prepared.graph.declared, prepared.plan)
    if fixed:
        log.add(f"{len(fixed)} of {len(histograms)} thresholds are the model's own (Q/DQ).")
    result = choose(candidates, histograms, prepared.plan, score, fixed=fixed)
    for calibrator, value in result.scores.items():
        log.add(f"Method {calibrator}: mean cosine of the outputs {value:.6f}")
    if result.scores:
        progress("search", len(candidates), len(candidates))
        log.add(f"Select {result.calibrator} method.")
    log.add("End to calibrate the model.")
    return result


class _Score:
    """Mean cosine of the outputs for a set of thresholds, always on the same images."""

    def __init__(self, prepared: PreparedModel, total: int, progress: Progress) -> None:
        self._subject, self._total, self._progress = prepared, total, progress
        self._images: list[CalibrationImage] = []
        self._done = 0

    def __call__(self, thresholds: Thresholds) -> float:
        prepared = self._subject
        self._progress("search", self._done, self._total)
        self._done += 1
        if not self._images:
            files = evenly_spaced(prepared.job.calibration_files, SEARCH_IMAGES)
            self._images = in_memory(prepared.images(files, prepared.graph.outputs.values()))
        distances = prepared.distances(prepared.quantized(thresholds), self._images, inner=False)
        return sum(distances[name].cosine for name in prepared.graph.outputs) / len(prepared.graph.outputs)


def thresholds_by(rule: ThresholdRule, histograms: Mapping[str, Histogram], plan: ScalePlan) -> Thresholds:
    """Return a threshold per observed tensor; 16 bits saturate where 8 bits do, as in the vendor's builds."""
    return {name: rule(histogram) for name, histogram in histograms.items() if name in plan.source}


def choose(
    candidates: Sequence[Calibrator],
    histograms: Mapping[str, Histogram],
    plan: ScalePlan,
    score: Callable[[Thresholds], float],
    *,
    fixed: Mapping[str, float] = MappingProxyType({}),
) -> CalibrationResult:
    """Return the calibrator with the highest `score`, the first of equals; a single one is not scored.

    `fixed` are thresholds that no calibrator chooses.
    """
    tried = {
        calibrator: {**thresholds_by(threshold_rule(calibrator), histograms, plan), **fixed}
        for calibrator in candidates
    }
    if len(tried) == 1:
        calibrator, thresholds = next(iter(tried.items()))
        return CalibrationResult(calibrator, thresholds, {})
    scores = {calibrator: score(thresholds) for calibrator, thresholds in tried.items()}
    best = max(scores, key=lambda calibrator: scores[calibrator])
    return CalibrationResult(best, tried[best], scores)

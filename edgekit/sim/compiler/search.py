"""The calibration of a build: histograms once, then one method or the best of all by the outputs' cosine."""

from __future__ import annotations

from edgekit.progress import Progress
from edgekit.sim.compiler.activation_stats import observe
from edgekit.sim.compiler.calibrate import Choice, Thresholds, calibrators, choose
from edgekit.sim.compiler.calibration_images import Image, remembered
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.prepared_model import Subject
from edgekit.sim.compiler.samples import spread

SEARCH_IMAGES = 8  # on which the methods are compared: their outputs stay in memory


def calibrated(subject: Subject, log: BuildLog, progress: Progress) -> Choice:
    """The thresholds that the yaml asks for; `log` tells how they came about."""
    job = subject.job
    candidates = calibrators(job.config)
    log.say("Start to calibrate the model.")
    log.say(f"There are {len(job.calibration_files)} samples in the data set.")
    log.say(f"Run calibration model with {' | '.join(map(str, candidates))} method.")
    histograms = observe(job, subject.graph, subject.plan.observed, progress=progress)
    score = _Score(subject, len(candidates), progress)
    choice = choose(candidates, histograms, subject.plan, score)
    for calibrator, value in choice.scores.items():
        log.say(f"Method {calibrator}: mean cosine of the outputs {value:.6f}")
    if choice.scores:
        progress("search", len(candidates), len(candidates))
        log.say(f"Select {choice.calibrator} method.")
    log.say("End to calibrate the model.")
    return choice


class _Score:
    """Mean cosine of the outputs for a set of thresholds, always on the same images."""

    def __init__(self, subject: Subject, total: int, progress: Progress) -> None:
        self._subject, self._total, self._progress = subject, total, progress
        self._images: list[Image] = []
        self._done = 0

    def __call__(self, thresholds: Thresholds) -> float:
        subject = self._subject
        self._progress("search", self._done, self._total)
        self._done += 1
        if not self._images:
            files = spread(subject.job.calibration_files, SEARCH_IMAGES)
            self._images = remembered(subject.images(files, subject.graph.outputs.values()))
        found = subject.distances(subject.quantized(thresholds), self._images, inner=False)
        return sum(found[name].cosine for name in subject.graph.outputs) / len(subject.graph.outputs)

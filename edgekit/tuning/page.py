"""The page of a tuning: what every setting costs and keeps, and the images before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from edgekit.compilation.build import compile_model
from edgekit.evaluation.compare import compare_on_images
from edgekit.explore.gallery import Gallery
from edgekit.explore.page import ExploredModel, explore_page
from edgekit.explore.setting import Criterion, Setting
from edgekit.files import write_text
from edgekit.progress import Progress, silent
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.map_scoring import labelled_images
from edgekit.tuning.prepare import Prepared
from edgekit.tuning.prove import Proof
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.report import TuneResult
from edgekit.tuning.workspace import Workspace

__all__ = ["PAGE_NAME", "tune_settings", "write_tune_page"]

PAGE_NAME = "tune.html"
IMAGES = 24  # on which both builds are shown beside the float model
ERROR, DISAGREEMENT, KEPT = "error", "disagreement", "kept"
SHOWN_TENSORS = 40


def write_tune_page(path: Path, result: TuneResult, prepared: Prepared, *, progress: Progress = silent) -> None:
    """Write the page: the settings' plot, and the untuned and the tuned build beside the float model on images.

    Args:
        path: Of the page; replaced.
        result: What tuning found.
        prepared: What it was made on.
        progress: Called with stage, done and total.
    """
    workspace, default = prepared.workspace, prepared.calibration_sets[0]
    reference = workspace.model(default, PLAIN).job.onnx_path
    images = _images(workspace, default)
    models = []
    for label, yaml in (("untuned", workspace.yaml(default)), ("tuned", result.yaml)):
        build, gallery = compile_model(yaml, toolchain="sim"), Gallery()

        def report(stage: str, done: int, total: int, label: str = label) -> None:
            progress(f"{label} beside float", done, total)

        comparison = compare_on_images(reference, build.quantized_path, images, observe=gallery.add, progress=report)
        models.append(ExploredModel(label, comparison, gallery))
    settings, criteria = tune_settings(result)
    title = f"{result.yaml.stem}, tuned"
    write_text(path, explore_page(title, models, settings=settings, criteria=criteria, band=result.band))


def _images(workspace: Workspace, calibration_set: str) -> list[Path]:
    """Return images that candidates were scored on, else those that they were measured on."""
    if workspace.label_source is not None:
        return labelled_images(workspace, calibration_set, IMAGES)[:IMAGES]
    return list(workspace.images()[:IMAGES])


def tune_settings(result: TuneResult) -> tuple[list[Setting], list[Criterion]]:
    """Return the settings of a tuning as points of the plot of accuracy over milliseconds, and its axes.

    Args:
        result: What tuning found.

    Returns:
        Settings, the untuned default first, each candidate once; and what they are judged by.
    """
    trials: dict[Candidate, Trial] = {
        trial.step.candidate: trial for trial in (*result.trials, result.untuned, result.chosen)
    }
    steps: dict[Candidate, SearchStep] = {}
    for step in (*result.steps, *result.front, *(trial.step for trial in trials.values())):
        steps.setdefault(step.candidate, step)
    proofs = {proof.candidate: proof for proof in result.proofs}
    chosen = result.chosen.step
    settings = [
        _setting(step, trials.get(candidate), proofs.get(candidate), is_chosen=candidate == chosen.candidate)
        for candidate, step in steps.items()
    ]
    criteria = [Criterion(ERROR, "output error (untuned: 1)", False)]
    criteria += [Criterion(f"{KEPT} {kind}", f"{kind} kept", True, percent=True) for kind in result.chosen.kept]
    if not math.isnan(result.chosen.disagreement):
        criteria.append(Criterion(DISAGREEMENT, "disagreement with float", False, percent=True))
    return settings, criteria


def _setting(step: SearchStep, trial: Trial | None, proof: Proof | None, *, is_chosen: bool) -> Setting:
    values = {ERROR: step.loss}
    if trial is not None:
        values |= {f"{KEPT} {kind}": share for kind, share in trial.kept.items()}
        if not math.isnan(trial.disagreement):
            values[DISAGREEMENT] = trial.disagreement
    details = tuple(_details(step, proof))
    return Setting(step.change, step.milliseconds, step.extra_cost, values, details, is_chosen)


def _details(step: SearchStep, proof: Proof | None) -> Iterator[tuple[str, str]]:
    candidate = step.candidate
    yield "detection error", f"{step.weighted_error:.4f}"
    if proof is not None:
        yield "compiled at O3", f"{proof.compiled_ms:.3f} ms"
    yield "calibrator", str(candidate.calibrator)
    yield "calibration images", candidate.calibration_set
    yield "float graph", candidate.graph
    if candidate.clip_ranges:
        yield "clip ranges", _listed([tensor for tensor, _ in candidate.clip_ranges])
    if candidate.int16:
        yield "int16", _listed(candidate.int16)
    yield "tried", str(step.tried)


def _listed(tensors: tuple[str, ...] | list[str]) -> str:
    """Return how many tensors there are, and the names of the first."""
    more = f", and {len(tensors) - SHOWN_TENSORS} more" if len(tensors) > SHOWN_TENSORS else ""
    return f"{len(tensors)}: {', '.join(tensors[:SHOWN_TENSORS])}{more}"

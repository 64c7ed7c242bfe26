"""Scoring a candidate on images: what it keeps of the float model's metrics, or how far both agree without labels."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.tasks import TASKS
from edgekit.evaluation.agreement import SHOWN, Agreement, agree_on_image, summarise
from edgekit.evaluation.array_agreement import array_disagreements
from edgekit.evaluation.bootstrap import RESAMPLES, image_weights, quotients
from edgekit.evaluation.labels import ImageEntry
from edgekit.evaluation.map_run import map_disagreements
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.pairwise_agreement import same_class_draws
from edgekit.evaluation.predictions import predict_images
from edgekit.evaluation.run import evaluate, predictions_by_id
from edgekit.evaluation.scores import Evaluation
from edgekit.files import atomic_path, write_bytes
from edgekit.runtime.session import load
from edgekit.sim.compiler.sidecars import quantized_spec
from edgekit.spec import file_ref, load_spec, save_spec, sidecar_path
from edgekit.tuning.builds import quantized_candidate
from edgekit.tuning.candidate import PLAIN, Candidate
from edgekit.tuning.map_scoring import QUALITY, score_maps
from edgekit.tuning.workspace import SCORED, Workspace

__all__ = ["ScoreCandidate"]


@dataclass(frozen=True, slots=True)
class ScoreCandidate:
    """Score a candidate's build on labels, or on agreement alone, beside the float model; `limit`: the first images."""

    candidate: Candidate
    limit: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return its identity."""
        return {"task": "score", "candidate": self.candidate.to_json(), "limit": self.limit}

    def run(self, workspace: Workspace) -> dict[str, Any]:
        """Return the scores as JSON: `kept` and `difference` with labels, agreement, and the draws behind both."""
        model = _write_build(workspace, self.candidate)
        reference = workspace.model(self.candidate.calibration_set, PLAIN).job.onnx_path
        if workspace.label_source is None:
            return _agreement(workspace, model, reference, self.limit)
        if (task := workspace.job(self.candidate.calibration_set).spec.task) in QUALITY:
            return score_maps(workspace, task, model, reference, self.limit)
        known = workspace.folder / SCORED / f"reference_{reference.stem}.predictions.jsonl"
        own = model.parent / known.name
        if known.is_file() and not own.exists():  # the float model's detections are the same for every candidate
            _copy(known, own)
        labels = workspace.labels(self.limit)
        result = evaluate(model, labels, model.parent, against=reference, options=EvaluateOptions(resamples=RESAMPLES))
        if not known.exists():
            _copy(own, known)
        return _scores(result)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _write_build(workspace: Workspace, candidate: Candidate) -> Path:
    """Write the integer graph with its sidecar, which the evaluation opens."""
    model, quantized = quantized_candidate(workspace, candidate)
    path = workspace.folder / SCORED / candidate.key / "model.onnx"
    write_bytes(path, quantized.model.SerializeToString(deterministic=True))
    spec = quantized_spec(model.job, model.graph, *model.inputs)
    save_spec(sidecar_path(path), replace(spec, files={"model": file_ref(path)}))
    return path


def _scores(result: Evaluation) -> dict[str, Any]:
    """Return what is kept, for every metric and in every draw of the images, and the agreement."""
    report = result.to_dict()
    scores: dict[str, Any] = {name: report[name] for name in ("kept", "difference") if name in report}
    if result.reference is not None:
        measured, reference = result.model.scores, result.reference.scores
        kept = {kind: quotients(measured[kind].draws, reference[kind].draws) for kind in result.kept or {}}
        scores["kept_draws"] = {kind: _draws(values) for kind, values in kept.items()}
    return {**scores, **_agreed(result.agreement)}


def _agreed(agreement: Agreement | None) -> dict[str, Any]:
    """Return the agreement, and the disagreement of every draw: what paired intervals are made from."""
    if agreement is None:
        return {}
    return {"agreement": agreement.to_dict(), "disagreement_draws": _draws(1 - agreement.draws)}


def _draws(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _agreement(workspace: Workspace, model: Path, reference: Path, limit: int | None) -> dict[str, Any]:
    """Return the agreement on images without labels; of classifiers the share of images with another first class."""
    if load_spec(sidecar_path(reference)).task == "raw":
        with load(model) as ours, load(reference) as float_session:
            differences = array_disagreements(ours, float_session, workspace.images()[:limit])
        weights = image_weights(len(differences), RESAMPLES)
        return {"disagreement_draws": _draws(weights @ differences / weights.sum(axis=1))}
    if TASKS[load_spec(sidecar_path(reference)).task].map_role:
        with load(model, full_size=True) as ours, load(reference, full_size=True) as float_session:
            apart = map_disagreements(ours, float_session, workspace.images()[:limit])
        weights = image_weights(len(apart), RESAMPLES)
        return {"disagreement_draws": _draws(weights @ apart / weights.sum(axis=1))}
    images = [ImageEntry(i, path) for i, path in enumerate(workspace.images()[:limit])]
    both = []
    for name, path in (("model", model), ("reference", reference)):
        with load(path, conf=SHOWN) as session:
            both.append(predict_images(session, path, images, model.parent / f"{name}_agreement.jsonl"))
    pairs = list(zip(*predictions_by_id(both), strict=True))
    weights = image_weights(len(pairs), RESAMPLES)
    if both[0].task == "classify":
        return {"disagreement_draws": _draws(1 - same_class_draws(pairs, weights))}
    rows = [agree_on_image(*pair) for pair in pairs]
    return _agreed(summarise(rows, weights, has_masks=all(predictions.has_masks for predictions in both)))

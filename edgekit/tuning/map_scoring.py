"""Scoring a candidate of a model of maps on labelled maps: what is kept of the float model's measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.bootstrap import RESAMPLES, quotients
from edgekit.evaluation.map_labels import MapLabels, load_map_labels
from edgekit.evaluation.map_run import MapEvaluation, evaluate_maps
from edgekit.tuning.workspace import Workspace

__all__ = ["QUALITY", "labelled_images", "score_maps"]

QUALITY = {"semantic": "mIoU", "depth": "delta1"}  # the measure to keep, the larger the better


def labelled_images(workspace: Workspace, calibration_set: str, limit: int | None = None) -> list[Path]:
    """Return the images that have labels, whatever the task.

    Args:
        workspace: The tuning folder, with labels.
        calibration_set: Any set: all are of the same model.
        limit: The first images alone.

    Returns:
        Their paths.
    """
    task = workspace.job(calibration_set).spec.task
    if task in QUALITY:
        return list(_labels(workspace, task, limit).images)
    return [entry.path for entry in workspace.labels(limit).images]


def score_maps(workspace: Workspace, task: str, model: Path, reference: Path, limit: int | None) -> dict[str, Any]:
    """Score a build on labelled maps beside the float model.

    Args:
        workspace: The tuning folder, with labels.
        task: "semantic" or "depth".
        model: The build.
        reference: The float model.
        limit: The first images alone.

    Returns:
        JSON values: `kept` and `difference` of `QUALITY`, agreement, and the draws behind them.
    """
    labels = _labels(workspace, task, limit)
    images = list(labels.images)
    result = evaluate_maps(model, images, model.parent, labels=labels, against=reference, resamples=RESAMPLES)
    assert result.reference is not None, "there is a reference"
    kind = QUALITY[task]
    draws = quotients(result.model.draws[kind], result.reference.draws[kind])
    return {
        "kept": {kind: result.kept[kind].to_dict()},
        "difference": {kind: result.difference[kind].to_dict()},
        "kept_draws": {kind: _rounded(draws)},
        "agreement": {name: agreed.to_dict() for name, agreed in result.agreement.items()},
        "disagreement_draws": _rounded(_disagreement(result)),
    }


def _labels(workspace: Workspace, task: str, limit: int | None) -> MapLabels:
    source = workspace.label_source
    assert source is not None, "only workspaces with labels score on them"
    return load_map_labels(source.data, task, split=source.split, limit=limit)


def _disagreement(result: MapEvaluation) -> npt.NDArray[np.float64]:
    """Return how far both models' maps are apart: the share of pixels of another class, or AbsRel, at most 1."""
    if result.task == "semantic":
        return np.asarray(1 - result.agreement_draws["pixel accuracy"])
    return np.minimum(result.agreement_draws["AbsRel"], 1.0)


def _rounded(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]

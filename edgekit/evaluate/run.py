"""The whole evaluation: run the models, score them on labels, compare them, say how sure the figures are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.evaluate.agreement import SHOWN, Agreement
from edgekit.evaluate.bootstrap import Floats, Interval, difference, image_weights, interval, ratio
from edgekit.evaluate.classes import ClassMap, match_classes
from edgekit.evaluate.coco import Matches, match
from edgekit.evaluate.labels import Labels
from edgekit.evaluate.pairwise_agreement import agree_on_all, agreement_blocker
from edgekit.evaluate.precision import mean_precision, mean_precisions
from edgekit.evaluate.predictions import Predictions, predict_images
from edgekit.evaluate.rotated import match_rotated
from edgekit.evaluate.topk import top_hits
from edgekit.files import write_json
from edgekit.progress import Progress, silent
from edgekit.runtime.session import Session, load

# What published mAPs of YOLO are made with, and what the board vendor's model zoo takes.
PUBLISHED = {"conf": 0.001, "iou": 0.7, "max_detections": 300, "multi_label": True}
MODEL_ZOO = {"conf": 0.25, "iou": 0.7, "max_detections": 300, "multi_label": False}
TOPS = {"top-1": 1, "top-5": 5}


@dataclass(frozen=True, slots=True)
class Score:
    """One model's figures of one kind, in 0..1, with intervals over images.

    `overall` is the `measure`: mAP50-95, or accuracy for classifiers, which have no `map50` and no sizes.
    """

    measure: str
    overall: Interval
    draws: Floats
    map50: Interval | None = None
    by_area: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, tuple[float, int]] = field(default_factory=dict)  # name: (overall, objects)

    def to_dict(self) -> dict[str, Any]:
        return {
            self.measure: self.overall.to_dict(),
            **({"mAP50": self.map50.to_dict()} if self.map50 else {}),
            "by_size": {name: _or_none(value) for name, value in self.by_area.items()},
            "by_class": {
                name: {self.measure: _or_none(value), "objects": count}
                for name, (value, count) in self.by_class.items()
            },
        }


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Everything measured of one model."""

    model: str
    device: str
    images: int
    unread: tuple[str, ...]
    scores: Mapping[str, Score]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "device": self.device,
            "simulated": self.device == "sim",
            "images": self.images,
            "unread": list(self.unread),
            "scores": {kind: score.to_dict() for kind, score in self.scores.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`model` and, where asked for, `reference` over the same images; `kept` is model / reference."""

    model: ModelScores
    reference: ModelScores | None = None
    kept: Mapping[str, Interval] | None = None
    difference: Mapping[str, Interval] | None = None
    agreement: Agreement | None = None
    same_class: Interval | None = None  # of classifiers: the images whose first class is the reference's

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {"model": self.model.to_dict()}
        if self.reference is not None:
            values["reference"] = self.reference.to_dict()
            values["kept"] = {k: v.to_dict() for k, v in (self.kept or {}).items()}
            values["difference"] = {k: v.to_dict() for k, v in (self.difference or {}).items()}
        if self.agreement is not None:
            values["agreement"] = self.agreement.to_dict()
        if self.same_class is not None:
            values["same_class"] = self.same_class.to_dict()
        return values


def evaluate(
    model: Path,
    truth: Labels,
    out_dir: Path,
    *,
    against: Path | None = None,
    device: str = "auto",
    settings: Mapping[str, float] = PUBLISHED,
    masks: str = "edgekit",
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Scores `model` on `truth` and compares it with `against` on the same images.

    A `truth` of images alone (`truth.unlabelled_images`) has no scores: the agreement with `against` is measured.
    Predictions go to `out_dir`, one file per model; a second call goes on with them. `masks`: see
    `predict_images`. `report.json` is written last. Raises EdgekitError kinds for models and labels that do not fit.
    """
    _require_measurable(truth, against, settings, resamples)
    paths = [Path(model)] if against is None else [Path(model), Path(against)]
    measured: list[ModelScores] = []
    predictions: list[Predictions] = []
    for path, role, where in zip(paths, ("model", "reference"), (device, "auto"), strict=False):
        with _open(path, where, settings) as session:
            _require_fitting(session, path, truth, predictions)
            file = Path(out_dir) / f"{role}_{path.stem}.predictions.jsonl"
            predictions.append(predict_images(session, path, truth.images, file, masks=masks, progress=progress))
    unread = _unread(predictions)
    kept_ids = [p.image_id for p in truth.images if p.image_id not in unread]
    if not kept_ids:
        raise DataError("none of the images could be read", hint="check the images")
    weights = image_weights(len(kept_ids), resamples, seed=seed)
    for one in predictions:
        measured.append(_score(one, truth, unread, weights, progress))
    result = _evaluation(measured, predictions, unread, weights)
    write_json(Path(out_dir) / "report.json", result.to_dict())
    return result


def _require_measurable(truth: Labels, against: Path | None, settings: Mapping[str, float], resamples: int) -> None:
    if not truth.categories and against is None:
        raise ConfigError(
            "neither labels nor a reference were given, expected at least one to measure with",
            hint="give labels with --data, or a reference such as the float ONNX with --against",
        )
    if not truth.categories and settings["conf"] > SHOWN:
        raise ConfigError(
            f"the score threshold is {settings['conf']:g}, expected {SHOWN} at most: agreement counts from there",
            hint="leave --conf out",
        )
    image_weights(1, resamples)  # refuses a wrong number before the work


def _open(path: Path, device: str, settings: Mapping[str, float]) -> Session:
    return load(
        path,
        device,
        conf=float(settings["conf"]),
        iou=float(settings["iou"]),
        max_detections=int(settings["max_detections"]),
        multi_label=bool(settings["multi_label"]),
    )


def _require_fitting(session: Session, path: Path, truth: Labels, earlier: list[Predictions]) -> None:
    """Raises DataError or ModelError, before hours of work, where labels or the other model are of another kind."""
    task, names = session.spec.task, session.spec.names
    if truth.categories and (task == "classify") == any("bbox" in label for label in truth.annotations):
        wanted = "a folder per class" if task == "classify" else "objects with boxes"
        raise DataError(
            f"{path.name} does {task!r}, which is scored on {wanted}", hint="give --data labels of that kind"
        )
    if truth.categories:
        match_classes(names, truth.categories)
    points = {len(label["keypoints"]) // 3 for label in truth.annotations if label.get("keypoints")}
    if task == "pose" and points and points != set(session.spec.keypoint_shape[:1]):
        raise DataError(
            f"{path.name} finds {session.spec.keypoint_shape[0]} key points on each object, the labels have "
            f"{' or '.join(map(str, sorted(points)))}",
            hint="give --data labels of the model's key points",
        )
    for one in earlier:
        if one.task != task:
            raise ModelError(
                f"{one.header['model']} does {one.task!r}, but {path.name} {task!r}",
                hint="compare models of the same task",
            )
        if not truth.categories and len(one.names) != len(names):
            raise ModelError(
                f"{one.header['model']} has {len(one.names)} classes, but {path.name} {len(names)}, expected the same",
                hint="compare models of the same classes, or give labels with --data",
            )


def _score(
    predictions: Predictions, truth: Labels, unread: Mapping[int, str], weights: Floats, progress: Progress
) -> ModelScores:
    classes = match_classes(predictions.names, truth.categories) if truth.categories else ClassMap({}, {})
    kinds = _kinds(predictions.task, truth)
    scores = {}
    for i, kind in enumerate(kinds):
        progress(f"scoring {predictions.header['model']}", i, len(kinds))
        found = (one for one in predictions if one.image_id not in unread)
        if kind in TOPS:
            scores[kind] = _accuracy(top_hits(truth, found, classes, TOPS[kind]), weights)
        elif kind == "rotated box":
            scores[kind] = _score_of(match_rotated(truth, found, classes), classes, weights)
        else:
            scores[kind] = _score_of(match(truth, found, classes, kind=kind), classes, weights)
    progress(f"scoring {predictions.header['model']}", len(kinds), len(kinds))
    return ModelScores(
        model=str(predictions.header["model"]),
        device=str(predictions.header["device"]),
        images=weights.shape[1],
        unread=tuple(unread.values()),
        scores=scores,
        notes=(*predictions.header["notes"], *classes.notes, *truth.notes, *_warnings(scores, predictions, truth)),
    )


def _warnings(scores: Mapping[str, Score], predictions: Predictions, truth: Labels) -> list[str]:
    """What makes the figures doubtful: nothing to find, or images that are not those of the labels."""
    notes = []
    if scores and all(np.isnan(score.overall.value) for score in scores.values()):
        notes.append("the labels have no object of the model's classes that counts (crowd regions do not)")
    other = [f for f in predictions if not f.error and not _same_size(f.size_wh, truth.sizes_wh.get(f.image_id))]
    if other:
        first, said = other[0], truth.sizes_wh[other[0].image_id]
        notes.append(
            f"{len(other)} images are not of the size that the labels say (image {first.image_id} has "
            f"{first.size_wh[0]}x{first.size_wh[1]} pixels, said {said[0]}x{said[1]}): do the labels belong to them?"
        )
    return notes


def _same_size(found_wh: tuple[int, int], said_wh: tuple[int, int] | None) -> bool:
    return said_wh is None or not all(said_wh) or said_wh == found_wh


def _kinds(task: str, truth: Labels) -> list[str]:
    """What can be scored: what the task gives and the labels have."""
    if not truth.categories:
        return []
    extra = {"segment": ("mask", truth.has_masks), "pose": ("keypoint", truth.has_keypoints)}
    if task == "classify":
        return list(TOPS)
    if task == "obb":
        return ["rotated box"]
    kind, there = extra.get(task, ("", False))
    return ["box", kind] if there else ["box"]


def _accuracy(hits: Floats, weights: Floats) -> Score:
    draws = weights @ hits / weights.sum(axis=1)
    return Score("accuracy", interval(draws), draws)


def _score_of(matches: Matches, classes: ClassMap, weights: Floats) -> Score:
    plain = weights[:1]
    per_class = {
        classes.names[category]: (float(mean_precision({category: one}, plain)[0]), matches.objects[category])
        for category, one in matches.by_area["all"].items()
        if matches.objects[category]
    }
    draws, draws50 = mean_precisions(matches.by_area["all"], weights, (None, 0.5))
    return Score(
        "mAP50-95",
        interval(draws),
        draws,
        map50=interval(draws50),
        by_area={a: float(mean_precision(matches.by_area[a], plain)[0]) for a in matches.by_area if a != "all"},
        by_class=per_class,
    )


def _evaluation(
    measured: list[ModelScores], predictions: list[Predictions], unread: Mapping[int, str], weights: Floats
) -> Evaluation:
    if len(measured) == 1:
        return Evaluation(measured[0])
    model, reference = measured
    reason = agreement_blocker(*predictions)
    if reason:
        model = replace(model, notes=(*model.notes, reason))
    shared = [kind for kind in model.scores if kind in reference.scores]
    pairs = zip(*predictions_by_id(predictions), strict=True)
    read = [pair for pair in pairs if pair[0].image_id not in unread]
    agreement, same_class = agree_on_all(predictions[0], predictions[1], read, weights)
    return Evaluation(
        model,
        reference,
        kept={k: ratio(model.scores[k].draws, reference.scores[k].draws) for k in shared},
        difference={k: difference(model.scores[k].draws, reference.scores[k].draws) for k in shared},
        agreement=agreement,
        same_class=same_class,
    )


def predictions_by_id(predictions: list[Predictions]) -> list[list[Any]]:
    """The rows of each file in the order of the images' ids."""
    return [sorted(one, key=lambda found: found.image_id) for one in predictions]


def _unread(predictions: list[Predictions]) -> dict[int, str]:
    return {found.image_id: found.error for one in predictions for found in one if found.error}


def _or_none(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

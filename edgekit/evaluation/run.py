"""The whole evaluation: run the models, score them on labels, compare them, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.errors import ConfigError, DataError, ModelError
from edgekit.evaluation.agreement import SHOWN
from edgekit.evaluation.bootstrap import Float64Array, difference, image_weights, interval, ratio
from edgekit.evaluation.classes import ClassMap, match_classes
from edgekit.evaluation.coco import Matches, match
from edgekit.evaluation.confidence_curves import ConfidenceCurves, confidence_curves
from edgekit.evaluation.confusion import ConfusionMatrix, confusion_of_classes, confusion_of_objects
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.options import PUBLISHED, EvaluateOptions
from edgekit.evaluation.pairwise_agreement import agree_on_all, agreement_blocker
from edgekit.evaluation.precision import ClassMatches, average_precision, mean_precision, mean_precisions
from edgekit.evaluation.predict_tasks import ModelRun, rows_by_workers
from edgekit.evaluation.predictions import Predictions, predict_images
from edgekit.evaluation.rotated import match_rotated
from edgekit.evaluation.scores import ClassScore, Evaluation, ModelScores, Score
from edgekit.evaluation.topk import top_hits
from edgekit.files import write_json
from edgekit.progress import Progress, silent
from edgekit.runtime.session import Session
from edgekit.workers import Workers

__all__ = ["evaluate", "predictions_by_id"]

TOP_COUNTS = {"top-1": 1, "top-5": 5}


def evaluate(
    model: Path,
    labels: Labels,
    output: Path,
    *,
    against: Path | None = None,
    device: str = "auto",
    options: EvaluateOptions = PUBLISHED,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Score a model on labels and compare it with a reference on the same images.

    Predictions are written to `output`, one file per model, and resumed by a second call; `report.json` comes last.

    Args:
        model: A `.bin`, quantized graph, cut heads or float ONNX.
        labels: Labels; those with images alone (`unlabelled_images`) give the agreement with `against`, no scores.
        output: A folder.
        against: The reference.
        device: Of `model`, as `load` takes it.
        options: How both are run.
        workers: Where images are predicted; None: in this process. The result is the same.
        progress: Called with stage, done and total.

    Returns:
        The evaluation.

    Raises:
        EdgekitError: For models and labels that do not fit.
    """
    _require_measurable(labels, against, options)
    runs = [ModelRun(Path(model), device, options)]
    if against is not None:
        runs.append(ModelRun(Path(against), "auto", options))
    predictions: list[Predictions] = []
    for run, role in zip(runs, ("model", "reference"), strict=False):
        with run.open() as session:
            _require_fitting(session, run.model, labels, predictions)
            rows = None if workers is None else rows_by_workers(workers, run, session.device.kind)
            file = Path(output) / f"{role}_{run.model.stem}.predictions.jsonl"
            predictions.append(
                predict_images(
                    session, run.model, labels.images, file, masks=options.masks, predict_rows=rows, progress=progress
                )
            )
    unread = _unread(predictions)
    readable = sum(image.image_id not in unread for image in labels.images)
    if not readable:
        raise DataError("none of the images could be read", hint="check the images")
    weights = image_weights(readable, options.resamples, seed=options.seed)
    scores = [_score(of_model, labels, unread, weights, progress) for of_model in predictions]
    result = _evaluation(scores, predictions, unread, weights)
    write_json(Path(output) / "report.json", result.to_dict())
    return result


def _require_measurable(labels: Labels, against: Path | None, options: EvaluateOptions) -> None:
    if not labels.categories and against is None:
        raise ConfigError(
            "there are neither labels nor a reference, expected at least one of them to measure with",
            hint="give labels with --data, or a reference such as the float ONNX with --against",
        )
    if not labels.categories and options.conf > SHOWN:
        raise ConfigError(
            f"the score threshold is {options.conf:g}, expected {SHOWN} at most: agreement counts from there",
            hint="remove --conf",
        )
    image_weights(1, options.resamples)  # refuses a wrong number before the work


def _require_fitting(session: Session, path: Path, labels: Labels, earlier: Sequence[Predictions]) -> None:
    """Raise DataError or ModelError, before hours of work, if labels or the other model are of another kind."""
    task, names = session.spec.task, session.spec.names
    if labels.categories and (task == "classify") == any("bbox" in label for label in labels.annotations):
        expected = "a folder per class" if task == "classify" else "objects with boxes"
        raise DataError(
            f"{path.name} does {task!r}, which is scored on {expected}", hint="give --data labels of that kind"
        )
    if labels.categories:
        match_classes(names, labels.categories)
    points = {len(label["keypoints"]) // 3 for label in labels.annotations if label.get("keypoints")}
    if task == "pose" and points and points != set(session.spec.keypoint_shape[:1]):
        raise DataError(
            f"{path.name} predicts {session.spec.keypoint_shape[0]} key points per object, the labels have "
            f"{' or '.join(map(str, sorted(points)))}",
            hint="give --data labels of the model's key points",
        )
    for predictions in earlier:
        if predictions.task != task:
            raise ModelError(
                f"{predictions.header['model']} does {predictions.task!r}, but {path.name} {task!r}",
                hint="compare models of the same task",
            )
        if not labels.categories and len(predictions.names) != len(names):
            raise ModelError(
                f"{predictions.header['model']} has {len(predictions.names)} classes, but {path.name} {len(names)}, "
                "expected the same",
                hint="compare models of the same classes, or give labels with --data",
            )


def _score(
    predictions: Predictions, labels: Labels, unread: Mapping[int, str], weights: Float64Array, progress: Progress
) -> ModelScores:
    classes = match_classes(predictions.names, labels.categories) if labels.categories else ClassMap({}, {})
    kinds = _kinds(predictions.task, labels)
    scores = {}
    for i, kind in enumerate(kinds):
        progress(f"scoring {predictions.header['model']}", i, len(kinds))
        detections = (of_image for of_image in predictions if of_image.image_id not in unread)
        if kind in TOP_COUNTS:
            scores[kind] = _accuracy(top_hits(labels, detections, classes, TOP_COUNTS[kind]), weights)
        elif kind == "rotated box":
            scores[kind] = _score_of(match_rotated(labels, detections, classes), classes, weights)
        else:
            scores[kind] = _score_of(match(labels, detections, classes, kind=kind), classes, weights)
    progress(f"scoring {predictions.header['model']}", len(kinds), len(kinds))
    return ModelScores(
        model=str(predictions.header["model"]),
        device=str(predictions.header["device"]),
        images=weights.shape[1],
        unread=tuple(unread.values()),
        scores=scores,
        notes=(*predictions.header["notes"], *classes.notes, *labels.notes, *_warnings(scores, predictions, labels)),
        confusion=_confusion(predictions, labels, classes, unread) if scores else None,
    )


def _confusion(
    predictions: Predictions, labels: Labels, classes: ClassMap, unread: Mapping[int, str]
) -> ConfusionMatrix:
    readable = (of_image for of_image in predictions if of_image.image_id not in unread)
    confusion = confusion_of_classes if predictions.task == "classify" else confusion_of_objects
    return confusion(labels, readable, classes)


def _warnings(scores: Mapping[str, Score], predictions: Predictions, labels: Labels) -> list[str]:
    """Return what makes the metrics doubtful: no objects, or images that are not those of the labels."""
    notes = []
    if scores and all(np.isnan(score.overall.value) for score in scores.values()):
        notes.append("the labels have no object of the model's classes that counts (crowd regions do not)")
    differing = [d for d in predictions if not d.error and not _same_size(d.size_wh, labels.sizes_wh.get(d.image_id))]
    if differing:
        first, declared = differing[0], labels.sizes_wh[differing[0].image_id]
        notes.append(
            f"{len(differing)} images are not of the size that the labels declare (image {first.image_id} has "
            f"{first.size_wh[0]}x{first.size_wh[1]} pixels, declared {declared[0]}x{declared[1]}): do the labels "
            "belong to them?"
        )
    return notes


def _same_size(size_wh: tuple[int, int], declared_wh: tuple[int, int] | None) -> bool:
    return declared_wh is None or not all(declared_wh) or declared_wh == size_wh


def _kinds(task: str, labels: Labels) -> list[str]:
    """Return what can be scored: what the task gives and the labels have."""
    if not labels.categories:
        return []
    extra = {"segment": ("mask", labels.has_masks), "pose": ("keypoint", labels.has_keypoints)}
    if task == "classify":
        return list(TOP_COUNTS)
    if task == "obb":
        return ["rotated box"]
    kind, there = extra.get(task, ("", False))
    return ["box", kind] if there else ["box"]


def _accuracy(hits: Float64Array, weights: Float64Array) -> Score:
    draws = weights @ hits / weights.sum(axis=1)
    return Score("accuracy", interval(draws), draws)


def _score_of(matches: Matches, classes: ClassMap, weights: Float64Array) -> Score:
    of_all = matches.by_area["all"]
    draws, draws50 = mean_precisions(of_all, weights, (None, 0.5))
    curves = confidence_curves(of_all)
    return Score(
        "mAP50-95",
        interval(draws),
        draws,
        map50=interval(draws50),
        by_area={a: float(mean_precision(matches.by_area[a], weights[:1])[0]) for a in matches.by_area if a != "all"},
        by_class={
            classes.names[category]: _class_score(category, of_class, curves, weights[:1])
            for category, of_class in of_all.items()
            if curves is not None and matches.objects[category]
        },
        curves=curves,
    )


def _class_score(category: int, matches: ClassMatches, curves: ConfidenceCurves, plain: Float64Array) -> ClassScore:
    by_threshold = average_precision(matches, plain)[0]
    precision, recall, f1 = curves.at_best(category)
    return ClassScore(
        float(by_threshold.mean()),
        int(matches.objects.sum()),
        int((matches.objects > 0).sum()),
        float(by_threshold[0]),
        precision,
        recall,
        f1,
    )


def _evaluation(
    measured: Sequence[ModelScores],
    predictions: Sequence[Predictions],
    unread: Mapping[int, str],
    weights: Float64Array,
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


def predictions_by_id(predictions: Sequence[Predictions]) -> list[list[ImageDetections]]:
    """Return the rows of each file in the order of the images' ids.

    Args:
        predictions: Files over the same images.

    Returns:
        One list of detections per file.
    """
    return [sorted(rows, key=lambda detections: detections.image_id) for rows in predictions]


def _unread(predictions: Sequence[Predictions]) -> dict[int, str]:
    return {image.image_id: image.error for rows in predictions for image in rows if image.error}

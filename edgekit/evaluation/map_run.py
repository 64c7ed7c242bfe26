"""The evaluation of models of maps: on labels, and against a reference, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError, ImageError, ModelError
from edgekit.evaluation.bootstrap import Interval, difference, image_weights, interval, ratio
from edgekit.evaluation.map_labels import MapLabels
from edgekit.evaluation.map_scores import ClassSums, DepthSums, class_sums, depth_sums, map_measures
from edgekit.files import write_json
from edgekit.ops.image import read_image
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.results import DepthMap, SemanticMap
from edgekit.runtime.session import Session
from edgekit.spec import load_spec, sidecar_path

__all__ = ["MapEvaluation", "evaluate_maps", "map_disagreements", "map_task"]

Sums = ClassSums | DepthSums


@dataclass(frozen=True, slots=True)
class MapEvaluation:
    """What a model of maps scores, and how it compares with a reference on the same images.

    Attributes:
        task: "semantic" or "depth".
        model: Name of its file.
        device: Kind of device that ran it.
        images: Number of images scored.
        scores: Measure -> score on the labels; empty without labels.
        reference: Name of the reference's file, "" without one.
        reference_scores: Its scores on the labels.
        kept: Per measure the ratio of the model's score to the reference's.
        difference: Per measure the model's score less the reference's.
        agreement: The same measures with the reference's maps as labels.
        notes: What was left out.
    """

    task: str
    model: str
    device: str
    images: int
    scores: Mapping[str, Interval]
    reference: str = ""
    reference_scores: Mapping[str, Interval] = field(default_factory=dict)
    kept: Mapping[str, Interval] = field(default_factory=dict)
    difference: Mapping[str, Interval] = field(default_factory=dict)
    agreement: Mapping[str, Interval] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""

        def plain(table: Mapping[str, Interval]) -> dict[str, Any]:
            return {name: measured.to_dict() for name, measured in table.items()}

        return {
            **envelope("map_evaluation"),
            "task": self.task,
            "images": self.images,
            "model": {
                "model": self.model,
                "device": self.device,
                "simulated": self.device == "sim",
                "scores": plain(self.scores),
            },
            "reference": {"model": self.reference, "scores": plain(self.reference_scores)} if self.reference else None,
            "kept": plain(self.kept),
            "difference": plain(self.difference),
            "agreement": plain(self.agreement),
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _ImageSums:
    """What was counted, image by image: of the model and the reference on labels, and of one on the other."""

    own: list[Sums] = field(default_factory=list)
    others: list[Sums] = field(default_factory=list)
    agreed: list[Sums] = field(default_factory=list)

    def add(
        self,
        model: Session,
        reference: Session | None,
        bgr: npt.NDArray[np.uint8],
        labels: npt.NDArray[Any] | None,
    ) -> None:
        """Run an image and count."""
        ours = map_of(model, bgr)
        theirs = map_of(reference, bgr) if reference else None
        if labels is not None:
            self.own.append(_sums(model, ours, labels))
        if labels is not None and theirs is not None:
            self.others.append(_sums(model, theirs, labels))
        if theirs is not None:
            self.agreed.append(_sums(model, ours, theirs))


def map_task(model: Path) -> str:
    """Return the task of a model if it gives maps, "" for any other.

    Args:
        model: A model file with its sidecar, or an export that names its task.
    """
    from edgekit.export.maps import MAP_TASKS
    from edgekit.graph.onnx_graph import load_model

    model = Path(model)
    if sidecar_path(model).is_file():
        task: str = load_spec(sidecar_path(model)).task
    elif model.suffix == ".onnx" and model.is_file():
        task = {p.key: p.value for p in load_model(model).metadata_props}.get("task", "")
    else:
        task = ""
    return task if task in MAP_TASKS else ""


def evaluate_maps(
    model: Session,
    name: str,
    images: Sequence[Path],
    *,
    labels: MapLabels | None = None,
    reference: Session | None = None,
    reference_name: str = "",
    resamples: int = 1000,
    seed: int = 0,
    output: Path | None = None,
    progress: Progress = silent,
) -> MapEvaluation:
    """Score the maps of a model on labels and against those of a reference.

    Args:
        model: The opened model; with `full_size` its maps are interpolated as the float model's are.
        name: Of its file.
        images: Image files.
        labels: Of these images; None: only the agreement with the reference.
        reference: Another model of the same task and classes.
        reference_name: Of its file.
        resamples: Bootstrap draws for the intervals.
        seed: Of the draws.
        output: The report to write, if any.
        progress: Called per image.

    Returns:
        The evaluation.

    Raises:
        EdgekitError: The models or labels do not fit each other, or no image can be read.
    """
    _require_same(model, reference, labels)
    sums = _ImageSums()
    notes = list(labels.notes if labels else ())
    for done, path in enumerate(images):
        progress(f"running {name}", done, len(images))
        try:
            bgr = read_image(path)
        except ImageError as error:
            notes.append(f"skipped: {error.message}")
            continue
        sums.add(model, reference, bgr, labels.read(path, (bgr.shape[1], bgr.shape[0])) if labels else None)
    progress(f"running {name}", len(images), len(images))
    count = len(sums.own or sums.agreed)
    if not count:
        raise DataError("none of the images could be read", hint="check the images")
    result = _evaluation(model, name, reference_name, sums, image_weights(count, resamples, seed=seed))
    result = _with_notes(result, tuple(notes))
    if output is not None:
        write_json(output, result.to_dict())
    return result


def map_disagreements(model: Session, reference: Session, images: Sequence[Path]) -> npt.NDArray[np.float64]:
    """Measure how far the maps of two models are apart.

    Args:
        model: The model, such as an integer build.
        reference: The float model.
        images: Image files.

    Returns:
        (images,): the share of pixels of another class, or the mean relative difference of depths, at most 1.
    """
    rows = []
    for path in images:
        bgr = read_image(path)
        ours, expected = map_of(model, bgr), map_of(reference, bgr)
        if model.spec.task == "semantic":
            rows.append(float((ours != expected).mean()))
        else:
            rows.append(min(1.0, depth_sums(ours, expected).abs_rel))
    return np.asarray(rows, np.float64)


def map_of(session: Session, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the map of an image: (h, w) class ids or depths."""
    results = session.predict(bgr)
    if isinstance(results, SemanticMap):
        return results.class_map
    assert isinstance(results, DepthMap)
    return results.depth


def _require_same(model: Session, reference: Session | None, labels: MapLabels | None) -> None:
    spec = model.spec
    if reference is not None and (reference.spec.task, len(reference.spec.names)) != (spec.task, len(spec.names)):
        raise ModelError(
            f"the model does {spec.task!r} with {len(spec.names)} classes, the reference {reference.spec.task!r} with "
            f"{len(reference.spec.names)}, expected the same",
            hint="compare two forms of the same model",
        )
    if labels is not None and labels.names and len(labels.names) != len(spec.names) and spec.task == "semantic":
        raise DataError(
            f"the data set names {len(labels.names)} classes, the model {len(spec.names)}, expected the same",
            hint="give --data the data set that the model was trained on",
        )


def _sums(model: Session, predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Sums:
    if model.spec.task == "semantic":
        return class_sums(predicted, labels, len(model.spec.names))
    return depth_sums(predicted, labels)


def _evaluation(
    model: Session,
    name: str,
    reference_name: str,
    sums: _ImageSums,
    weights: npt.NDArray[np.float64],
) -> MapEvaluation:
    own, others, agreed = (
        map_measures(rows, weights) if rows else {}  # type: ignore[arg-type]
        for rows in (sums.own, sums.others, sums.agreed)
    )
    return MapEvaluation(
        task=model.spec.task,
        model=name,
        device=model.device.kind,
        images=weights.shape[1],
        scores={k: interval(v) for k, v in own.items()},
        reference=reference_name,
        reference_scores={k: interval(v) for k, v in others.items()},
        kept={k: ratio(own[k], v) for k, v in others.items()},
        difference={k: difference(own[k], v) for k, v in others.items()},
        agreement={k: interval(v) for k, v in agreed.items()},
    )


def _with_notes(result: MapEvaluation, notes: tuple[str, ...]) -> MapEvaluation:
    return replace(result, notes=notes)

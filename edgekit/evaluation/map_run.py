"""The evaluation of models of maps: on labels, and against a reference, with confidence intervals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.bundle import is_bundle, open_bundle
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.bootstrap import Float64Array, Interval, difference, image_weights, interval, ratio
from edgekit.evaluation.confusion import ConfusionMatrix
from edgekit.evaluation.map_labels import MapLabels
from edgekit.evaluation.map_rows import ImageCounts, MapCounts, MapModel, count_maps, map_of
from edgekit.evaluation.map_scores import ERROR_EDGES, ClassSums, DepthSums, Ints, depth_sums, map_measures
from edgekit.files import write_json
from edgekit.ops.image import read_image
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.runtime.session import Session, load
from edgekit.spec import load_spec, sidecar_path

__all__ = ["DepthErrors", "MapEvaluation", "MapScores", "evaluate_maps", "map_disagreements", "map_task"]


@dataclass(frozen=True, slots=True, eq=False)
class DepthErrors:
    """A histogram of relative depth errors, depth / label - 1.

    Attributes:
        pixels: (len(ERROR_EDGES) - 1,) int64: between the edges; errors beyond the last one count in the last bin.
    """

    pixels: Ints

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"edges": [round(float(edge), 4) for edge in ERROR_EDGES], "pixels": self.pixels.tolist()}


@dataclass(frozen=True, slots=True)
class MapScores:
    """What one model's maps score on labels.

    Attributes:
        model: Name of its file.
        device: Kind of device that ran it.
        scores: Measure -> score; empty without labels.
        draws: Measure -> (1 + b,) those behind the intervals.
        confusion: Of class maps: pixels by predicted and labelled class; None without labels.
        errors: Of depth maps; None without labels.
    """

    model: str
    device: str
    scores: Mapping[str, Interval] = field(default_factory=dict)
    draws: Mapping[str, Float64Array] = field(default_factory=dict)
    confusion: ConfusionMatrix | None = None
    errors: DepthErrors | None = None

    def class_ious(self) -> dict[str, float]:
        """Return class name -> IoU over all pixels, of the classes that occur; empty without class maps."""
        if self.confusion is None:
            return {}
        counts = self.confusion.counts.astype(np.float64)
        hits, union = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
        return {name: float(hits[i] / union[i]) for i, name in enumerate(self.confusion.names) if union[i] > 0}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        details: dict[str, Any] = {}
        if self.confusion is not None:
            details["by_class"] = {name: round(iou, 6) for name, iou in self.class_ious().items()}
            details["confusion_matrix"] = self.confusion.to_dict()
        if self.errors is not None:
            details["relative_errors"] = self.errors.to_dict()
        return {
            "model": self.model,
            "device": self.device,
            "simulated": self.device == "sim",
            "scores": _plain(self.scores),
            **details,
        }


@dataclass(frozen=True, slots=True)
class MapEvaluation:
    """What a model of maps scores, and how it compares with a reference on the same images.

    Attributes:
        task: "semantic" or "depth".
        images: Number of images scored.
        model: Scores of the model.
        reference: Scores of the reference, if there is one.
        kept: Per measure the ratio of the model's score to the reference's.
        difference: Per measure the model's score less the reference's.
        agreement: The same measures with the reference's maps as labels.
        agreement_draws: Measure -> (1 + b,) those behind the intervals.
        notes: What was left out.
    """

    task: str
    images: int
    model: MapScores
    reference: MapScores | None = None
    kept: Mapping[str, Interval] = field(default_factory=dict)
    difference: Mapping[str, Interval] = field(default_factory=dict)
    agreement: Mapping[str, Interval] = field(default_factory=dict)
    agreement_draws: Mapping[str, Float64Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            **envelope("map_evaluation"),
            "task": self.task,
            "images": self.images,
            "model": self.model.to_dict(),
            "reference": self.reference.to_dict() if self.reference else None,
            "kept": _plain(self.kept),
            "difference": _plain(self.difference),
            "agreement": _plain(self.agreement),
            "notes": list(self.notes),
        }


def _plain(table: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: measured.to_dict() for name, measured in table.items()}


def map_task(model: Path) -> str:
    """Return the task of a model if it gives maps, "" for any other.

    Args:
        model: A model file with its sidecar, a bundle, or an export that names its task.
    """
    from edgekit.export.maps import MAP_TASKS
    from edgekit.graph.onnx_graph import load_model

    model = Path(model)
    if is_bundle(model):
        task = open_bundle(model).task
    elif sidecar_path(model).is_file():
        task = str(load_spec(sidecar_path(model)).task)
    elif model.suffix == ".onnx" and model.is_file():
        task = {p.key: p.value for p in load_model(model).metadata_props}.get("task", "")
    else:
        task = ""
    return task if task in MAP_TASKS else ""


def evaluate_maps(
    model: Path,
    images: Sequence[Path],
    output: Path,
    *,
    labels: MapLabels | None = None,
    against: Path | None = None,
    device: str = "auto",
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> MapEvaluation:
    """Score the maps of a model on labels and against those of a reference.

    What is counted on each image is written to `output` and resumed by a second call; `report.json` comes last.

    Args:
        model: A `.bin`, quantized graph, cut heads or float ONNX.
        images: Image files.
        output: A folder.
        labels: Of these images; None: only the agreement with the reference.
        against: The reference, a model of the same task and classes.
        device: Of `model`, as `load` takes it.
        resamples: Bootstrap draws for the intervals.
        seed: Of the draws.
        progress: Called per image.

    Returns:
        The evaluation.

    Raises:
        EdgekitError: The models or labels do not fit each other, or no image can be read.
    """
    image_weights(1, resamples)  # refuses a wrong number before the work
    with contextlib.ExitStack() as stack:
        opened = [
            MapModel(stack.enter_context(load(path, kind, full_size=True)), Path(path))
            for path, kind in ((model, device), (against, "auto"))
            if path is not None
        ]
        reference = opened[1] if len(opened) == 2 else None
        _require_same(opened[0].session, reference.session if reference else None, labels)
        output.mkdir(parents=True, exist_ok=True)
        file = output / f"{Path(model).stem}.counts.jsonl"
        rows = count_maps(opened[0], reference, images, labels, file, progress=progress)
        result = _evaluation(opened[0], reference, rows, labels, resamples, seed)
    write_json(output / "report.json", result.to_dict())
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


@dataclass(slots=True)
class _Side:
    """What was counted of one comparison: sums of every image, and cells over all of them."""

    sums: list[ClassSums | DepthSums] = field(default_factory=list)
    cells: Ints | None = None

    def add(self, counts: MapCounts | None) -> None:
        if counts is not None:
            self.sums.append(counts.sums)
            self.cells = counts.cells if self.cells is None else self.cells + counts.cells


def _evaluation(
    model: MapModel,
    reference: MapModel | None,
    rows: Iterable[ImageCounts],
    labels: MapLabels | None,
    resamples: int,
    seed: int,
) -> MapEvaluation:
    own, others, agreed, images, notes = _Side(), _Side(), _Side(), 0, list(labels.notes if labels else ())
    for row in rows:
        if row.error:
            notes.append(f"skipped: {row.error}")
            continue
        images += 1
        for side, counts in ((own, row.model), (others, row.reference), (agreed, row.agreement)):
            side.add(counts)
    if not images:
        raise DataError("none of the images could be read", hint="check the images")
    weights = image_weights(images, resamples, seed=seed)
    names = labels.names if labels is not None and labels.names else model.session.spec.names
    scores = _scores(model, own, weights, names)
    of_reference = _scores(reference, others, weights, names) if reference is not None else None
    shared = of_reference.draws if of_reference is not None else {}
    draws = map_measures(agreed.sums, weights) if agreed.sums else {}
    return MapEvaluation(
        model.task,
        images,
        scores,
        of_reference,
        kept={name: ratio(scores.draws[name], values) for name, values in shared.items()},
        difference={name: difference(scores.draws[name], values) for name, values in shared.items()},
        agreement={name: interval(values) for name, values in draws.items()},
        agreement_draws=draws,
        notes=tuple(notes),
    )


def _scores(opened: MapModel, side: _Side, weights: Float64Array, names: tuple[str, ...]) -> MapScores:
    name, device = opened.path.name, opened.session.device.kind
    if side.cells is None:
        return MapScores(name, device)
    draws = map_measures(side.sums, weights)
    is_classes = opened.task == "semantic"
    return MapScores(
        name,
        device,
        {measure: interval(values) for measure, values in draws.items()},
        draws,
        confusion=ConfusionMatrix(names, side.cells.T.copy()) if is_classes else None,
        errors=None if is_classes else DepthErrors(side.cells),
    )

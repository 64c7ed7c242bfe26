"""What an evaluation measured: scores of a model, and how it compares with a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.evaluation.agreement import Agreement
from edgekit.evaluation.bootstrap import Float64Array, Interval
from edgekit.evaluation.confidence_curves import ConfidenceCurves
from edgekit.evaluation.confusion import ConfusionMatrix
from edgekit.records import envelope

__all__ = ["ClassScore", "Evaluation", "ModelScores", "Score"]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """What a model scores on the objects of one class, in 0..1.

    Attributes:
        value: AP50-95.
        objects: Number of them.
        images: Number of images that have one.
        ap50: AP at IoU 0.5.
        precision: At the score threshold of the model's best F1.
        recall: There.
        f1: There.
    """

    value: float
    objects: int
    images: int
    ap50: float
    precision: float
    recall: float
    f1: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "mAP50-95": _or_none(self.value),
            "mAP50": _or_none(self.ap50),
            "precision": _or_none(self.precision),
            "recall": _or_none(self.recall),
            "f1": _or_none(self.f1),
            "objects": self.objects,
            "images": self.images,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """One model's metrics of one kind, in 0..1.

    Attributes:
        measure: What `overall` is: "mAP50-95", or "accuracy" of classifiers, which have no `map50` and no sizes.
        overall: With its interval over images.
        draws: (1 + b,) those behind the interval.
        map50: mAP at IoU 0.5.
        by_area: "small", "medium", "large" -> value.
        by_class: Name -> what it scores, of classes that have objects.
        curves: Precision, recall and F1 over the score threshold; None of classifiers, and without objects.
    """

    measure: str
    overall: Interval
    draws: Float64Array
    map50: Interval | None = None
    by_area: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, ClassScore] = field(default_factory=dict)
    curves: ConfidenceCurves | None = None

    @property
    def objects(self) -> int:
        """How many objects were to be detected."""
        return sum(of_class.objects for of_class in self.by_class.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            self.measure: self.overall.to_dict(),
            **({"mAP50": self.map50.to_dict()} if self.map50 else {}),
            "by_size": {name: _or_none(value) for name, value in self.by_area.items()},
            "by_class": {name: of_class.to_dict() for name, of_class in self.by_class.items()},
            **self._at_best_f1(),
        }

    def _at_best_f1(self) -> dict[str, Any]:
        if self.curves is None:
            return {}
        means = zip(("precision", "recall", "f1"), self.curves.mean_at_best(), strict=True)
        return {
            **{name: _or_none(value) for name, value in means},
            "confidence": _or_none(self.curves.confidence),
            "objects": self.objects,
            "curves": self.curves.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Everything measured of one model.

    Attributes:
        model: Name of its file.
        device: Kind of device that ran it.
        images: Number of images scored.
        unread: Why images could not be read.
        scores: By kind: "box", "mask", "keypoint", "rotated box", "top-1", "top-5".
        notes: What makes the scores doubtful.
        confusion: Which classes are detected as which; None without labels.
    """

    model: str
    device: str
    images: int
    unread: tuple[str, ...]
    scores: Mapping[str, Score]
    notes: tuple[str, ...]
    confusion: ConfusionMatrix | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "model": self.model,
            "device": self.device,
            "simulated": self.device == "sim",
            "images": self.images,
            "unread": list(self.unread),
            "scores": {kind: score.to_dict() for kind, score in self.scores.items()},
            **({"confusion_matrix": self.confusion.to_dict()} if self.confusion else {}),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model and, if there is one, of a reference on the same images.

    Attributes:
        model: Scores of the model.
        reference: Scores of the reference.
        kept: Per kind the ratio of the model's score to the reference's.
        difference: Per kind the model's score less the reference's.
        agreement: Of detections with those of the reference.
        same_class: Of classifiers: the share of images whose first class is the reference's.
    """

    model: ModelScores
    reference: ModelScores | None = None
    kept: Mapping[str, Interval] | None = None
    difference: Mapping[str, Interval] | None = None
    agreement: Agreement | None = None
    same_class: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the report."""
        values: dict[str, Any] = {**envelope("evaluation"), "model": self.model.to_dict()}
        if self.reference is not None:
            values["reference"] = self.reference.to_dict()
            values["kept"] = {k: v.to_dict() for k, v in (self.kept or {}).items()}
            values["difference"] = {k: v.to_dict() for k, v in (self.difference or {}).items()}
        if self.agreement is not None:
            values["agreement"] = self.agreement.to_dict()
        if self.same_class is not None:
            values["same_class"] = self.same_class.to_dict()
        return values


def _or_none(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

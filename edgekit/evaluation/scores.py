"""What an evaluation measured: scores of a model, and how it compares with a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.evaluation.agreement import Agreement
from edgekit.evaluation.bootstrap import Float64Array, Interval
from edgekit.records import envelope

__all__ = ["Evaluation", "ModelScores", "Score"]


@dataclass(frozen=True, slots=True)
class Score:
    """One model's metrics of one kind, in 0..1.

    Attributes:
        measure: What `overall` is: "mAP50-95", or "accuracy" of classifiers, which have no `map50` and no sizes.
        overall: With its interval over images.
        draws: (1 + b,) those behind the interval.
        map50: mAP at IoU 0.5.
        by_area: "small", "medium", "large" -> value.
        by_class: Name -> (value, number of objects).
    """

    measure: str
    overall: Interval
    draws: Float64Array
    map50: Interval | None = None
    by_area: Mapping[str, float] = field(default_factory=dict)
    by_class: Mapping[str, tuple[float, int]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
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
    """Everything measured of one model.

    Attributes:
        model: Name of its file.
        device: Kind of device that ran it.
        images: Number of images scored.
        unread: Why images could not be read.
        scores: By kind: "box", "mask", "keypoint", "rotated box", "top-1", "top-5".
        notes: What makes the scores doubtful.
    """

    model: str
    device: str
    images: int
    unread: tuple[str, ...]
    scores: Mapping[str, Score]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
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

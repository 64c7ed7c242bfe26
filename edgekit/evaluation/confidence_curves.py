"""Precision, recall and F1 over the score threshold, and the threshold of the best F1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.bootstrap import Float64Array
from edgekit.evaluation.precision import RECALLS, ClassMatches

__all__ = ["CONFIDENCES", "ConfidenceCurves", "confidence_curves"]

CONFIDENCES = np.linspace(0.0, 1.0, 1000)
SMOOTHING = 101  # confidences that the mean F1 is averaged over before its maximum is taken
SHOWN_STEPS = np.linspace(0, len(CONFIDENCES) - 1, 101).round().astype(int)  # of the curves in JSON
TINY = 1e-16


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceCurves:
    """Curves at IoU 0.5, one row per class that has objects.

    Precision, recall and F1 of a model are those at `best`: the confidence at which the mean of the classes' F1 curves,
    smoothed, is highest. This is the definition of the P and R that Ultralytics' `val` prints
    (https://docs.ultralytics.com/guides/yolo-performance-metrics/).

    Attributes:
        categories: (c,) ids.
        precision: (c, 1000) at each of `CONFIDENCES`.
        recall: (c, 1000).
        precision_at_recall: (c, 101) the best precision at each recall 0, 0.01, ... 1 or beyond.
        best: Index into `CONFIDENCES`.
    """

    categories: tuple[int, ...]
    precision: Float64Array
    recall: Float64Array
    precision_at_recall: Float64Array
    best: int

    @property
    def f1(self) -> Float64Array:
        """(c, 1000): the harmonic mean of precision and recall, 0 where both are."""
        return f1_score(self.precision, self.recall)

    @property
    def confidence(self) -> float:
        """The score threshold of `best`."""
        return float(CONFIDENCES[self.best])

    def at_best(self, category: int) -> tuple[float, float, float]:
        """Return precision, recall and F1 of a category at `best`; 0 for one without objects."""
        if category not in self.categories:
            return 0.0, 0.0, 0.0
        row = self.categories.index(category)
        precision, recall = (float(values[row, self.best]) for values in (self.precision, self.recall))
        return precision, recall, float(f1_score(np.float64(precision), np.float64(recall)))

    def mean_at_best(self) -> tuple[float, float, float]:
        """Return precision, recall and F1 at `best`, each the mean over the classes."""
        means = (values[:, self.best].mean() for values in (self.precision, self.recall, self.f1))
        precision, recall, f1 = (float(value) for value in means)
        return precision, recall, f1

    def to_dict(self) -> dict[str, Any]:
        """Return the mean curves as plain JSON values: at 101 confidences, and precision at 101 recalls."""
        curves = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {
            "confidence": _rounded(CONFIDENCES[SHOWN_STEPS]),
            **{name: _rounded(values.mean(axis=0)[SHOWN_STEPS]) for name, values in curves.items()},
            "precision_at_recall": _rounded(self.precision_at_recall.mean(axis=0)),
        }


def confidence_curves(classes: Mapping[int, ClassMatches]) -> ConfidenceCurves | None:
    """Compute the curves of every class that has objects.

    Args:
        classes: Matches by category id.

    Returns:
        The curves, or None if no class has an object.
    """
    labelled = {category: matches for category, matches in classes.items() if matches.objects.sum()}
    if not labelled:
        return None
    curves = [_curves_of(matches) for matches in labelled.values()]
    precision, recall, at_recall = (np.stack(rows) for rows in zip(*curves, strict=True))
    best = int(_smoothed(f1_score(precision, recall).mean(axis=0)).argmax())
    return ConfidenceCurves(tuple(labelled), precision, recall, at_recall, best)


def f1_score(precision: npt.NDArray[np.float64] | np.float64, recall: npt.NDArray[np.float64] | np.float64) -> Any:
    """Return the harmonic mean of precision and recall, 0 where both are."""
    return 2 * precision * recall / (precision + recall + TINY)


def _curves_of(matches: ClassMatches) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return precision and recall (1000,) by confidence, and precision (101,) by recall, of one class at IoU 0.5."""
    counted = ~matches.ignored[0]
    scores, hits = matches.scores[counted], matches.hit[0, counted].cumsum()
    if not len(scores):
        return np.zeros(len(CONFIDENCES)), np.zeros(len(CONFIDENCES)), np.zeros(len(RECALLS))
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / matches.objects.sum()
    by_confidence = [
        np.interp(CONFIDENCES, scores[::-1], values[::-1], right=without_detections)
        for values, without_detections in ((precision, 1.0), (recall, 0.0))
    ]
    best_from_here = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    at_recall = best_from_here[np.searchsorted(recall, RECALLS, side="left")]
    return by_confidence[0], by_confidence[1], at_recall


def _smoothed(values: Float64Array) -> Float64Array:
    """Return the running mean over `SMOOTHING` values, the first and last continued."""
    padded = np.pad(values, SMOOTHING // 2, mode="edge")
    return np.convolve(padded, np.full(SMOOTHING, 1 / SMOOTHING), mode="valid")


def _rounded(values: Float64Array) -> list[float]:
    rounded: list[float] = np.round(values, 4).tolist()
    return rounded

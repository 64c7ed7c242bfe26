"""Average precision from matches, as COCO defines it, for any weighting of the images.

A weight says how often an image counts: all ones are the plain score, draws with replacement are a bootstrap
resample. Matching does not depend on other images, so it is done once (by pycocotools) and reused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.bootstrap import Float64Array

__all__ = ["IOU_THRESHOLDS", "ClassMatches", "average_precision", "mean_precision", "mean_precisions"]

RECALLS = np.linspace(0.0, 1.0, 101)
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
BOOTSTRAP_BLOCK = 1 << 21  # elements of one step of the bootstrap: bounds its memory


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """Detections of one class over all images, best score first, and the objects there are.

    Attributes:
        image_index: (n,) column of the weights.
        hit: (t, n) per IoU threshold.
        ignored: (t, n); an ignored detection (matched to a crowd, or outside the size range) counts neither way.
        objects: (p,) per image.
        scores: (n,) falling.
    """

    image_index: npt.NDArray[np.intp]
    hit: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]
    objects: npt.NDArray[np.int64]
    scores: Float64Array


def average_precision(matches: ClassMatches, weights: Float64Array) -> Float64Array:
    """Return average precision as COCO defines it: precision at 101 recalls.

    Args:
        matches: Of one class, n detections at t thresholds on p images.
        weights: (b, p) how often each image counts.

    Returns:
        (b, t); NaN where a resample has no object.
    """
    thresholds = matches.hit.shape[0]
    totals = weights @ matches.objects
    result = np.zeros((len(weights), thresholds))
    step = max(1, BOOTSTRAP_BLOCK // max(1, matches.hit.size // 4))
    for start in range(0, len(weights), step):
        part = slice(start, start + step)
        result[part] = _block(matches, weights[part], totals[part])
    result[totals == 0] = np.nan
    return result


def mean_precision(
    classes: Mapping[int, ClassMatches], weights: Float64Array, *, iou: float | None = None
) -> Float64Array:
    """Return mAP: the mean over classes with objects, and over IoU thresholds.

    Args:
        classes: Matches by category.
        weights: (b, p) how often each image counts.
        iou: A single threshold in place of the mean over all.

    Returns:
        (b,) of each resample.
    """
    return mean_precisions(classes, weights, (iou,))[0]


def mean_precisions(
    classes: Mapping[int, ClassMatches], weights: Float64Array, ious: Sequence[float | None]
) -> tuple[Float64Array, ...]:
    """Return `mean_precision` for several thresholds at the cost of one.

    Args:
        classes: Matches by category.
        weights: (b, p) how often each image counts.
        ious: Thresholds; None is the mean over all.

    Returns:
        (b,) for each of them.
    """
    sums = np.zeros((len(ious), len(weights)))
    counts = np.zeros(len(weights))
    for matches in classes.values():
        rows = average_precision(matches, weights)
        drawn = np.isfinite(rows[:, 0])
        counts += drawn
        for i, iou in enumerate(ious):
            sums[i] += np.where(drawn, rows.mean(axis=1) if iou is None else rows[:, _threshold(iou)], 0)
    return tuple(np.where(counts > 0, total / np.maximum(counts, 1), np.nan) for total in sums)


def _block(matches: ClassMatches, weights: Float64Array, totals: Float64Array) -> Float64Array:
    """Return the mean over recalls 0, 0.01, ... 1 of the best precision at that recall or beyond.

    Precision rises only at hits, so the curve is read there: the share of the 101 recalls that a hit adds, times the
    best precision from it on.
    """
    counted = matches.hit & ~matches.ignored
    steps = np.flatnonzero(counted.any(axis=0))
    if not steps.size:
        return np.zeros((len(weights), matches.hit.shape[0]))
    shown = weights[:, matches.image_index]  # (b, n)
    hits = np.cumsum(shown[:, None, steps] * counted[:, steps], axis=2)
    counted_so_far = np.cumsum(shown, axis=1)[:, None, steps] - _ignored_up_to(matches.ignored, shown, steps)
    precision = hits / np.maximum(counted_so_far, np.spacing(1))
    best_from_here = np.maximum.accumulate(precision[:, :, ::-1], axis=2)[:, :, ::-1]
    reached = np.searchsorted(RECALLS, hits / np.maximum(totals, 1)[:, None, None], side="right")
    reached = np.where(hits > 0, reached, 0)
    added = np.diff(reached, axis=2, prepend=0)
    return np.asarray((added * best_from_here).sum(axis=2) / len(RECALLS))


def _ignored_up_to(ignored: npt.NDArray[np.bool_], shown: Float64Array, steps: npt.NDArray[np.intp]) -> Float64Array:
    """Return the weight of ignored detections up to each step, (b, t, steps); they are few: only theirs is summed."""
    columns = np.flatnonzero(ignored.any(axis=0))
    sums = np.cumsum(shown[:, None, columns] * ignored[:, columns], axis=2)
    padded = np.concatenate([np.zeros((*sums.shape[:2], 1)), sums], axis=2)
    return np.asarray(padded[:, :, np.searchsorted(columns, steps, side="right")])


def _threshold(iou: float) -> int:
    return int(np.abs(IOU_THRESHOLDS - iou).argmin())

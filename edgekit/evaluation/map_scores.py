"""Scores of class maps and depth maps: counts of every image, and the measures of any weighting of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.bootstrap import Float64Array

__all__ = [
    "ERROR_EDGES",
    "IGNORED",
    "MEASURES",
    "ClassSums",
    "DepthSums",
    "class_pairs",
    "class_sums",
    "depth_errors",
    "depth_sums",
    "map_measures",
    "sums_of_pairs",
]

Ints = npt.NDArray[np.int64]

IGNORED = 255  # the id of pixels that no label counts, as Ultralytics and Cityscapes have it
MEASURES = {"semantic": ("mIoU", "pixel accuracy"), "depth": ("delta1", "AbsRel", "RMSE")}
ERROR_EDGES = np.linspace(-1.0, 1.0, 41)  # of the histogram of relative depth errors
DELTA = 1.25  # of delta1: the share of pixels whose depth is off by less than this factor (Eigen et al. 2014)


@dataclass(frozen=True, slots=True)
class ClassSums:
    """Pixels of an image by class; each (classes,) float64.

    Attributes:
        hits: Of a class in both maps.
        predicted: Of a class in the model's map, where a label counts.
        labelled: Of a class in the labels.
    """

    hits: Float64Array
    predicted: Float64Array
    labelled: Float64Array


@dataclass(frozen=True, slots=True)
class DepthSums:
    """Errors of an image, means over the pixels that have a depth; NaN where none has.

    Attributes:
        delta1: Share of pixels off by less than `DELTA`.
        abs_rel: |depth - label| / label.
        squared: (depth - label) ** 2.
    """

    delta1: float
    abs_rel: float
    squared: float


def class_pairs(predicted: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], num_classes: int) -> Ints:
    """Count the pixels of a class map by labelled and predicted class.

    Args:
        predicted: (h, w) class ids.
        labels: (h, w) class ids; those that are no class (255 above all) do not count.
        num_classes: Number of classes.

    Returns:
        (num_classes, num_classes): a row per labelled class, a column per predicted class.
    """
    counted = (labels >= 0) & (labels < num_classes)
    pairs = labels[counted].astype(np.int64) * num_classes + predicted[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.int64)


def sums_of_pairs(pairs: Ints) -> ClassSums:
    """Return the sums of an image's `class_pairs`.

    Args:
        pairs: (c, c) pixels by labelled and predicted class.

    Returns:
        The sums.
    """
    counts = pairs.astype(np.float64)
    return ClassSums(np.diag(counts).copy(), counts.sum(axis=0), counts.sum(axis=1))


def class_sums(predicted: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], num_classes: int) -> ClassSums:
    """Count the pixels of a class map against labels.

    Args:
        predicted: (h, w) class ids.
        labels: (h, w) class ids; those that are no class (255 above all) do not count.
        num_classes: Number of classes.

    Returns:
        The counts.
    """
    return sums_of_pairs(class_pairs(predicted, labels, num_classes))


def depth_sums(predicted: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> DepthSums:
    """Measure a depth map against labels.

    Args:
        predicted: (h, w) depths.
        labels: (h, w) depths of the same unit; 0, negative and not finite ones do not count.

    Returns:
        The image's errors.
    """
    truth, depth = _counted(predicted, labels)
    if not truth.size:
        return DepthSums(np.nan, np.nan, np.nan)
    factor = np.maximum(depth / truth, truth / depth)
    return DepthSums(
        float((factor < DELTA).mean()),
        float((np.abs(depth - truth) / truth).mean()),
        float(((depth - truth) ** 2).mean()),
    )


def depth_errors(predicted: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> Ints:
    """Count the pixels of a depth map by relative error, depth / label - 1.

    Args:
        predicted: (h, w) depths.
        labels: (h, w) depths of the same unit; 0, negative and not finite ones do not count.

    Returns:
        (len(ERROR_EDGES) - 1,): pixels between the edges; errors beyond the last one count in the last bin.
    """
    truth, depth = _counted(predicted, labels)
    errors = np.clip(depth / truth - 1, ERROR_EDGES[0], ERROR_EDGES[-1])
    return np.histogram(errors, ERROR_EDGES)[0].astype(np.int64)


def _counted(predicted: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> tuple[Float64Array, Float64Array]:
    """Return labels and depths of the pixels that have a label."""
    counted = np.isfinite(labels) & (labels > 0)
    return labels[counted].astype(np.float64), np.maximum(predicted[counted].astype(np.float64), 1e-6)


def map_measures(images: Sequence[ClassSums | DepthSums], weights: Float64Array) -> Mapping[str, Float64Array]:
    """Compute the measures of a set of images.

    mIoU is the mean over classes of hits / (predicted + labelled - hits), pixels summed over the images; a class that
    occurs in neither map does not count. Depth measures are means over images.

    Args:
        images: Sums of p images.
        weights: (1 + b, p) how often each image counts.

    Returns:
        "mIoU" and "pixel accuracy", or "delta1", "AbsRel" and "RMSE": (1 + b,) each.
    """
    if not images or isinstance(images[0], ClassSums):
        return _class_measures([row for row in images if isinstance(row, ClassSums)], weights)
    rows = [row for row in images if isinstance(row, DepthSums)]
    table = np.array([(row.delta1, row.abs_rel, row.squared) for row in rows], np.float64)
    there = np.isfinite(table[:, 0])
    weights, table = weights[:, there], table[there]
    means = weights @ table / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return {"delta1": means[:, 0], "AbsRel": means[:, 1], "RMSE": np.sqrt(means[:, 2])}


def _class_measures(rows: Sequence[ClassSums], weights: Float64Array) -> Mapping[str, Float64Array]:
    hits, predicted, labelled = (
        weights @ np.array([getattr(row, name) for row in rows], np.float64)
        for name in ("hits", "predicted", "labelled")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = hits / (predicted + labelled - hits)
    known = np.isfinite(iou)
    mean = np.where(known, iou, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    total = np.maximum(labelled.sum(axis=1), 1)
    return {"mIoU": np.asarray(mean), "pixel accuracy": np.asarray(hits.sum(axis=1) / total)}

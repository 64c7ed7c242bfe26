"""Two models over the same images: whether their agreement can be measured, and what it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.evaluation.agreement import SHOWN, Agreement, agree_on_image, summarise
from edgekit.evaluation.bootstrap import Float64Array, Interval, interval
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.predictions import Predictions

__all__ = ["agree_on_all", "agreement_blocker", "same_class_draws"]


def agreement_blocker(model: Predictions, reference: Predictions) -> str:
    """Return why agreement cannot be measured.

    Args:
        model: Predictions of the model.
        reference: Predictions of the reference.

    Returns:
        A sentence, "" if it can be measured.
    """
    counts = len(model.names), len(reference.names)
    if counts[0] != counts[1]:
        return f"agreement cannot be measured: the models have {counts[0]} and {counts[1]} classes, expected the same"
    conf = float(model.header["score_threshold"])
    if model.task != "classify" and conf > SHOWN:
        return f"agreement cannot be measured: the score threshold is {conf:g}, expected {SHOWN} at most"
    return ""


def agree_on_all(
    model: Predictions,
    reference: Predictions,
    images: Sequence[tuple[ImageDetections, ImageDetections]],
    weights: Float64Array,
) -> tuple[Agreement | None, Interval | None]:
    """Measure the agreement of detections, or of classifiers the share of images with the same first class.

    Args:
        model: Predictions of the model.
        reference: Predictions of the reference.
        images: Detections of both on each of p images.
        weights: (1 + b, p) how often each image counts.

    Returns:
        The agreement, and the share; None for what does not apply.
    """
    if agreement_blocker(model, reference):
        return None, None
    if model.task == "classify":
        return None, interval(same_class_draws(images, weights))
    rows = [agree_on_image(*pair) for pair in images]
    return summarise(rows, weights, has_masks=model.has_masks and reference.has_masks), None


def same_class_draws(images: Sequence[tuple[ImageDetections, ImageDetections]], weights: Float64Array) -> Float64Array:
    """Return the share of images with the same first class.

    Args:
        images: Best classes of both classifiers on each of p images.
        weights: (1 + b, p) how often each image counts.

    Returns:
        (1 + b,).
    """
    same = np.asarray([float(np.array_equal(a.class_ids[:1], b.class_ids[:1])) for a, b in images])
    return np.asarray(weights @ same / weights.sum(axis=1))

"""Two models over the same images: whether their agreement can be measured, and what it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.evaluate.agreement import SHOWN, Agreement, agree_on_image, summarise
from edgekit.evaluate.bootstrap import Floats, Interval, interval
from edgekit.evaluate.predictions import ImageDetections, Predictions


def agreement_blocker(model: Predictions, reference: Predictions) -> str:
    """Why agreement cannot be measured; empty where it can."""
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
    weights: Floats,
) -> tuple[Agreement | None, Interval | None]:
    """Agreement of detections, or for classifiers the share of images with the same first class.

    `images`: what both found on each; `weights` (1 + b, p). Neither is there where `agreement_blocker` has a reason.
    """
    if agreement_blocker(model, reference):
        return None, None
    if model.task == "classify":
        return None, interval(same_class_draws(images, weights))
    rows = [agree_on_image(one, other) for one, other in images]
    return summarise(rows, weights, has_masks=model.has_masks and reference.has_masks), None


def same_class_draws(images: Sequence[tuple[ImageDetections, ImageDetections]], weights: Floats) -> Floats:
    """(1 + b,): the share of images whose first class both classifiers give alike, for `weights` (1 + b, p)."""
    same = np.asarray([float(np.array_equal(one.class_ids[:1], other.class_ids[:1])) for one, other in images])
    return np.asarray(weights @ same / weights.sum(axis=1))

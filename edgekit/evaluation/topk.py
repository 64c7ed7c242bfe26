"""Classifiers: how often the right class is the first or among the first five."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgekit.evaluation.bootstrap import Float64Array
from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels

__all__ = ["top_hits"]


def top_hits(labels: Labels, detections: Iterable[ImageDetections], classes: ClassMap, top: int) -> Float64Array:
    """Return which images have their class among the best few.

    Args:
        labels: One category per image.
        detections: The best classes of each readable image.
        classes: Which class of the model is which category.
        top: How many classes count.

    Returns:
        (images,) 1 for a hit, else 0, in the order of the images' ids.
    """
    expected = {label["image_id"]: label["category_id"] for label in labels.annotations}
    rows: list[float] = []
    for image in sorted(detections, key=lambda detected: detected.image_id):
        best: Sequence[int] = image.class_ids[:top].tolist()
        rows.append(float(any(classes.category_of.get(i) == expected.get(image.image_id) for i in best)))
    return np.asarray(rows, np.float64)

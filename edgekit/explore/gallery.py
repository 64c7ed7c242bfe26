"""The images of a page, those that the other model changed most, in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.evaluation.agreement import agree_on_image
from edgekit.evaluation.compared_image import ComparedImage
from edgekit.evaluation.detection_diff import as_image_detections, detection_states
from edgekit.explore.objects import CHANGED, class_rows, object_rows
from edgekit.explore.thumbnail import make_thumbnail
from edgekit.results import Classifications, Detections

__all__ = ["Gallery", "GalleryImage"]

MAX_IMAGES = 200
# Of all images of a page together (2.7, 0.8 and 0.9 MB as text), and of one: a page stays below 5 MB.
IMAGE_BYTES, OUTLINE_NUMBERS, OBJECTS = 2_000_000, 180_000, 10_000
MAX_IMAGE_BYTES, MAX_OUTLINE_NUMBERS, MAX_OBJECTS = 110_000, 12_000, 200
COSINE_STEPS = 10_000  # cosines are kept as integers of this scale
MAX_COSINES = 120_000  # layers times images; beyond that no image keeps its own


Shown = Detections | Classifications  # results that a page shows


@dataclass(frozen=True, slots=True, order=True)
class GalleryImage:
    """An image of the page; by order of how much the other model changes it.

    Attributes:
        changes: Number of objects lost, gained or moved.
        change: How much the results differ, objects of any score counted, 0..1.
        order: Minus its index among all images: of two that changed alike the first one is kept.
        image: Name, size and thumbnail: plain JSON values.
        pair: What both models detect on it: plain JSON values.
    """

    changes: int
    change: float
    order: int
    image: Mapping[str, Any] = field(compare=False)
    pair: Mapping[str, Any] = field(compare=False)


class Gallery:
    """Collects images as they are compared; pass `add` to `compare_models` as `observe`.

    Attributes:
        names: Classes of the models.
        devices: What computed the reference and the other model, such as "onnxruntime" and "sim".
        total: Number of images compared.
    """

    def __init__(self, max_images: int = MAX_IMAGES) -> None:
        self.names: tuple[str, ...] = ()
        self.devices: tuple[str, str] = ("", "")
        self.total = 0
        self._max_images = max_images
        self._kept: list[GalleryImage] = []

    def add(self, compared: ComparedImage) -> None:
        """Keep an image if it is among those that changed most; raises ModelError without results of both models."""
        self.total += 1
        a, b = _results(compared)
        self.names, self.devices = a.names, (a.device, b.device)
        image = _described(compared, min(compared.total, self._max_images))
        if len(self._kept) < self._max_images:
            heapq.heappush(self._kept, image)
        else:
            heapq.heappushpop(self._kept, image)

    @property
    def images(self) -> list[GalleryImage]:
        """The images that were kept, the most changed first."""
        return sorted(self._kept, reverse=True)


def _results(compared: ComparedImage) -> tuple[Shown, Shown]:
    results = [results for results in compared.results if isinstance(results, Detections | Classifications)]
    if len(results) != 2:
        raise ModelError(
            f"{compared.path.name}: {len(results)} of 2 models detect or classify, expected both for a page of images",
            hint="compare two models with a task; without a page every two models are compared",
        )
    return results[0], results[1]


def _change(a: Shown, b: Shown) -> float:
    """Return how much two results differ, 0..1.

    Of detections what is missing to a panoptic quality of 1 with A as ground truth; of classifiers the total variation
    distance of their probabilities.
    """
    if isinstance(a, Classifications) and isinstance(b, Classifications):
        return float(np.abs(a.probabilities.astype(np.float64) - b.probabilities).sum() / 2)
    assert isinstance(a, Detections) and isinstance(b, Detections), "both models do the same task"
    agreed = agree_on_image(as_image_detections(b), as_image_detections(a))
    return 1 - agreed.shown_iou / agreed.shown if agreed.shown else 0.0


def _described(compared: ComparedImage, images: int) -> GalleryImage:
    thumbnail = make_thumbnail(compared.image_bgr, max_bytes=min(MAX_IMAGE_BYTES, IMAGE_BYTES // images))
    a, b = _results(compared)
    if isinstance(a, Classifications) and isinstance(b, Classifications):
        same = a.top(1)[0][0] == b.top(1)[0][0]
        of_a, of_b = class_rows(a, "kept" if same else "lost"), class_rows(b, "kept" if same else "gained")
    else:
        assert isinstance(a, Detections) and isinstance(b, Detections), "both models do the same task"
        limits = {
            "max_numbers": min(MAX_OUTLINE_NUMBERS, OUTLINE_NUMBERS // images) // 2,
            "max_objects": min(MAX_OBJECTS, OBJECTS // images) // 2,
        }
        states = detection_states(a, b)
        scores = {j: (float(a.scores[i]), iou) for i, j, iou in states.matches}
        of_a = object_rows(a, states.of_a, {}, scale=thumbnail.scale, **limits)
        of_b = object_rows(b, states.of_b, scores, scale=thumbnail.scale, **limits)
    change = _change(a, b)
    changes = sum(row["state"] in CHANGED for row in of_b) + sum(row["state"] == "lost" for row in of_a)
    height, width = compared.image_bgr.shape[:2]
    image = {
        "name": compared.path.name,
        "size": list(thumbnail.size_wh),
        "full": [width, height],
        "source": thumbnail.data_uri,
    }
    pair: dict[str, Any] = {"change": round(change, 4), "a": of_a, "b": of_b}
    if len(compared.cosines) * images <= MAX_COSINES:
        pair["cosines"] = {key: round(COSINE_STEPS * value) for key, value in compared.cosines.items()}
    return GalleryImage(changes, change, -compared.index, image, pair)

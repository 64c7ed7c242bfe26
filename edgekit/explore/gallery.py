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
from edgekit.evaluation.map_scores import depth_sums
from edgekit.evaluation.map_side_by_side import draw_maps
from edgekit.explore.objects import CHANGED, class_rows, object_rows
from edgekit.explore.thumbnail import make_thumbnail
from edgekit.results import Classifications, DepthMap, Detections, Results, SemanticMap

__all__ = ["Gallery", "GalleryImage"]

MAX_IMAGES = 200
# Of all images of a page together (2.7, 0.8 and 0.9 MB as text), and of one: a page stays below 5 MB.
IMAGE_BYTES, OUTLINE_NUMBERS, OBJECTS = 2_000_000, 180_000, 10_000
MAX_IMAGE_BYTES, MAX_OUTLINE_NUMBERS, MAX_OBJECTS = 110_000, 12_000, 200
COSINE_STEPS = 10_000  # cosines are kept as integers of this scale
MAX_COSINES = 120_000  # layers times images; beyond that no image keeps its own


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
        self.names, self.devices = getattr(a, "names", ()), (a.device, b.device)
        image = _described(compared, min(compared.total, self._max_images))
        if len(self._kept) < self._max_images:
            heapq.heappush(self._kept, image)
        else:
            heapq.heappushpop(self._kept, image)

    @property
    def images(self) -> list[GalleryImage]:
        """The images that were kept, the most changed first."""
        return sorted(self._kept, reverse=True)


def _results(compared: ComparedImage) -> tuple[Results, Results]:
    if len(compared.results) != 2:
        raise ModelError(
            f"{compared.path.name} has results of {len(compared.results)} of 2 models, expected both for a page",
            hint="compare two models; dumped outputs are compared without a page",
        )
    return compared.results[0], compared.results[1]


def _change(a: Results, b: Results, cosines: Mapping[str, float]) -> float:
    """Return how much two results differ, 0..1.

    Of detections what is missing to a panoptic quality of 1 with A as ground truth; of classifiers the total variation
    distance of their probabilities; of class maps the share of pixels with another class; of depths their mean relative
    difference, at most 1; else by the lowest cosine.
    """
    if isinstance(a, Classifications) and isinstance(b, Classifications):
        return float(np.abs(a.probabilities.astype(np.float64) - b.probabilities).sum() / 2)
    if isinstance(a, Detections) and isinstance(b, Detections):
        agreed = agree_on_image(as_image_detections(b), as_image_detections(a))
        return 1 - agreed.shown_iou / agreed.shown if agreed.shown else 0.0
    if isinstance(a, SemanticMap) and isinstance(b, SemanticMap) and a.class_map.shape == b.class_map.shape:
        return float((a.class_map != b.class_map).mean())
    if isinstance(a, DepthMap) and isinstance(b, DepthMap) and a.depth.shape == b.depth.shape:
        apart = depth_sums(b.depth, a.depth).abs_rel
        return 0.0 if np.isnan(apart) else min(1.0, apart)
    return min(1.0, max(0.0, 1 - min(cosines.values(), default=1.0)))


def _rows(a: Results, b: Results, scale: float, images: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what both models detect; nothing for tasks without objects."""
    if isinstance(a, Classifications) and isinstance(b, Classifications):
        same = a.top(1)[0][0] == b.top(1)[0][0]
        return class_rows(a, "kept" if same else "lost"), class_rows(b, "kept" if same else "gained")
    if not (isinstance(a, Detections) and isinstance(b, Detections)):
        return [], []
    limits = {
        "max_numbers": min(MAX_OUTLINE_NUMBERS, OUTLINE_NUMBERS // images) // 2,
        "max_objects": min(MAX_OBJECTS, OBJECTS // images) // 2,
    }
    states = detection_states(a, b)
    scores = {j: (float(a.scores[i]), iou) for i, j, iou in states.matches}
    of_a = object_rows(a, states.of_a, {}, scale=scale, **limits)
    return of_a, object_rows(b, states.of_b, scores, scale=scale, **limits)


def _drawn(compared: ComparedImage, max_bytes: int) -> list[str]:
    """Return maps drawn over the image as data URIs: they have no objects to draw in the browser."""
    a, b = _results(compared)
    if not (isinstance(a, SemanticMap | DepthMap) and isinstance(b, SemanticMap | DepthMap)):
        return []
    drawn = draw_maps(compared.image_bgr, a, b)
    return [make_thumbnail(image, max_bytes=max_bytes).data_uri for image in drawn]


def _described(compared: ComparedImage, images: int) -> GalleryImage:
    a, b = _results(compared)
    is_map = isinstance(a, SemanticMap | DepthMap)
    max_bytes = min(MAX_IMAGE_BYTES, IMAGE_BYTES // images) // (3 if is_map else 1)
    thumbnail = make_thumbnail(compared.image_bgr, max_bytes=max_bytes)
    of_a, of_b = _rows(a, b, thumbnail.scale, images)
    change = _change(a, b, compared.cosines)
    changes = sum(row["state"] in CHANGED for row in of_b) + sum(row["state"] == "lost" for row in of_a)
    height, width = compared.image_bgr.shape[:2]
    image = {
        "name": compared.path.name,
        "size": list(thumbnail.size_wh),
        "full": [width, height],
        "source": thumbnail.data_uri,
    }
    pair: dict[str, Any] = {"change": round(change, 4), "a": of_a, "b": of_b}
    if is_map:
        pair["drawn"] = _drawn(compared, max_bytes)
    if len(compared.cosines) * images <= MAX_COSINES:
        pair["cosines"] = {key: round(COSINE_STEPS * value) for key, value in compared.cosines.items()}
    return GalleryImage(changes, change, -compared.index, image, pair)

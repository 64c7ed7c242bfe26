"""How far two models agree on the demo's images: objects found again, and cosines of their raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.demo.scenes import Scene
from edgekit.evaluate.agreement import pair_up
from edgekit.evaluate.predictions import ImageDetections
from edgekit.ops.quant import dequantize
from edgekit.results import Detections
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MatchCount:
    """Of `total` objects, `count` were found."""

    count: int = 0
    total: int = 0

    def __add__(self, other: MatchCount) -> MatchCount:
        return MatchCount(self.count + other.count, self.total + other.total)

    @property
    def share(self) -> float:
        """0..1; 1 where there was nothing to find."""
        return self.count / self.total if self.total else 1.0


def count_matches(
    reference: ImageDetections, others: ImageDetections, *, min_score: float, min_iou: float
) -> MatchCount:
    """How many objects of `reference` with `min_score` or more `others` has too, by class and box IoU."""
    wanted = reference.scores >= min_score
    pairs = pair_up(reference, others, wanted, np.ones(len(others.scores), np.bool_))
    return MatchCount(sum(iou >= min_iou for _, _, iou in pairs), int(wanted.sum()))


def model_detections(results: Detections) -> ImageDetections:
    """What a model found, for comparing."""
    return ImageDetections(0, results.size_wh, results.boxes_xyxy, results.scores, results.class_ids)


def scene_detections(scene: Scene) -> ImageDetections:
    """What is truly in a generated image, for comparing."""
    boxes = np.asarray([i.box_xyxy for i in scene.instances], np.float32).reshape(-1, 4)
    class_ids = np.asarray([i.class_id for i in scene.instances], np.int32)
    return ImageDetections(0, scene.size_wh, boxes, np.ones(len(boxes), np.float32), class_ids)


@dataclass(slots=True)
class CosineSum:
    """The cosine of two streams of arrays, taken over all of them together."""

    product: float = 0.0
    square_a: float = 0.0
    square_b: float = 0.0

    def add(self, a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> None:
        x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        self.product += float(x @ y)
        self.square_a += float(x @ x)
        self.square_b += float(y @ y)

    @property
    def value(self) -> float:
        """-1..1; 0 where one of the streams was all zeros."""
        length = (self.square_a * self.square_b) ** 0.5
        return self.product / length if length else 0.0


def float_heads(heads: Mapping[str, npt.NDArray[np.generic]], spec: ModelSpec) -> dict[str, Floats]:
    """Raw heads by (role and stride) as floats, integers by the scales that `spec` records."""
    values = {}
    for head in spec.outputs:
        raw = heads[head.name]
        key = f"{head.role}_{head.stride}" if head.stride else head.role
        if head.dtype == "float32":
            values[key] = raw.astype(np.float32)
        else:
            values[key] = dequantize(raw, np.asarray(head.scale, np.float32), head.axis)  # type: ignore[arg-type]
    return values

"""How far two models agree on the demo's images: matched objects, and cosines of their raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.demo.scenes import Scene
from edgekit.evaluation.agreement import match_detections
from edgekit.evaluation.detections import ImageDetections
from edgekit.ops.quant import dequantize
from edgekit.spec import ModelSpec

__all__ = ["CosineSum", "MatchCount", "count_matches", "float_heads", "scene_detections"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MatchCount:
    """Of `total` objects, `count` were matched."""

    count: int = 0
    total: int = 0

    def __add__(self, added: MatchCount) -> MatchCount:
        return MatchCount(self.count + added.count, self.total + added.total)

    @property
    def share(self) -> float:
        """In 0..1; 1 if there was no object."""
        return self.count / self.total if self.total else 1.0


def count_matches(
    reference: ImageDetections, detections: ImageDetections, *, min_score: float, min_iou: float
) -> MatchCount:
    """Count objects of a reference that are detected, too, by class and box IoU.

    Args:
        reference: The objects.
        detections: Of another model on the same image.
        min_score: Objects of the reference with a lower score do not count.
        min_iou: From which on a detection matches.

    Returns:
        The matched objects and all of them.
    """
    expected = reference.scores >= min_score
    matches = match_detections(reference, detections, expected, np.ones(len(detections.scores), np.bool_))
    return MatchCount(sum(iou >= min_iou for _, _, iou in matches), int(expected.sum()))


def scene_detections(scene: Scene) -> ImageDetections:
    """Return what a generated image shows, as detections with a score of 1.

    Args:
        scene: The image.

    Returns:
        Its instances.
    """
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
        """Add two arrays of the same shape."""
        x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        self.product += float(x @ y)
        self.square_a += float(x @ x)
        self.square_b += float(y @ y)

    @property
    def value(self) -> float:
        """In -1..1; 0 if one of the streams was all zeros."""
        length = (self.square_a * self.square_b) ** 0.5
        return self.product / length if length else 0.0


def float_heads(heads: Mapping[str, npt.NDArray[np.generic]], spec: ModelSpec) -> dict[str, Float32Array]:
    """Return raw heads as floats, integers by the scales of the sidecar.

    Args:
        heads: By output name.
        spec: The sidecar.

    Returns:
        By role and stride, such as "box_8".
    """
    values = {}
    for head in spec.outputs:
        raw = heads[head.name]
        if head.dtype == "float32":
            values[head.key] = raw.astype(np.float32)
        else:
            values[head.key] = dequantize(raw, np.asarray(head.scale, np.float32), head.axis)  # type: ignore[arg-type]
    return values

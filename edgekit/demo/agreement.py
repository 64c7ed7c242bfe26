"""How far two models agree on the same pictures: objects found again, and cosines of their raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.ops.boxes import box_iou
from edgekit.ops.quant import dequantize
from edgekit.results import Detections
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """Of `total` objects, `count` were found again."""

    count: int = 0
    total: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.count + other.count, self.total + other.total)

    @property
    def share(self) -> float:
        """0..1; 1 where there was nothing to find."""
        return self.count / self.total if self.total else 1.0


def found_again(boxes_xyxy: Floats, class_ids: npt.NDArray[np.int32], others: Detections, *, min_iou: float) -> Found:
    """How many boxes (n, 4) `others` have too: same class, IoU of `min_iou` or more, each box used once."""
    overlaps = box_iou(boxes_xyxy, others.boxes_xyxy)
    overlaps = np.where(class_ids[:, None] == others.class_ids[None], overlaps, 0)
    count = 0
    while overlaps.size and overlaps.max() >= min_iou:  # best pair first
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[row] = 0
        overlaps[:, column] = 0
        count += 1
    return Found(count, len(boxes_xyxy))


def confident(detections: Detections, min_score: float) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Boxes (n, 4) and class ids (n,) of the objects with at least this score."""
    keep = detections.scores >= min_score
    return detections.boxes_xyxy[keep], detections.class_ids[keep]


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

"""The plain flow that edgekit is compared with: every cell decoded, NMS per class, masks by multiply and sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from benches.heads import STRIDES, Scene
from edgekit.spec import Role

Array = np.ndarray[Any, Any]


def plain_decode(scene: Scene, *, conf: float = 0.25, iou: float = 0.7) -> tuple[Array, Array, Array, Array]:
    """Boxes (n, 4) in input pixels, scores, class ids and boolean masks (n, 160, 160), best first."""
    boxes, scores, coefficients = [], [], []
    for stride in STRIDES:
        box, cls, mask = (_dequantized(scene, role, stride) for role in ("box", "class", "mask"))
        height, width = box.shape[:2]
        bins = box.reshape(-1, 4, 16)
        weights = np.exp(bins - bins.max(axis=-1, keepdims=True))
        distances = (weights / weights.sum(axis=-1, keepdims=True) * np.arange(16)).sum(axis=-1)
        y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
        centres = np.stack([x, y], axis=-1).reshape(-1, 2)
        boxes.append(np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1) * stride)
        scores.append(1 / (1 + np.exp(-cls.reshape(-1, cls.shape[-1]))))
        coefficients.append(mask.reshape(-1, mask.shape[-1]))
    all_boxes, all_scores, all_coefficients = (np.concatenate(part) for part in (boxes, scores, coefficients))
    class_ids, best = all_scores.argmax(axis=1), all_scores.max(axis=1)
    chosen = _nms_per_class(all_boxes, best, class_ids, conf, iou)
    proto = _dequantized(scene, "proto", 4)
    logits = (all_coefficients[chosen][:, None, None, :] * proto[None]).sum(axis=-1)
    return all_boxes[chosen], best[chosen], class_ids[chosen], 1 / (1 + np.exp(-logits)) > 0.5


def _dequantized(scene: Scene, role: Role, stride: int) -> Array:
    head = scene.spec.head(role, stride)
    values: Array = scene.heads[head.name][0].astype(np.float32)
    return values * np.asarray(head.scale, np.float32) if head.scale else values


def _nms_per_class(boxes: Array, scores: Array, class_ids: Array, conf: float, iou: float) -> Array:
    kept = []
    for class_id in np.unique(class_ids[scores > conf]):
        rest = np.flatnonzero((class_ids == class_id) & (scores > conf))
        rest = rest[np.argsort(-scores[rest], kind="stable")]
        while len(rest):
            kept.append(rest[0])
            top_left = np.maximum(boxes[rest[0], :2], boxes[rest[1:], :2])
            bottom_right = np.minimum(boxes[rest[0], 2:], boxes[rest[1:], 2:])
            inter = np.prod(np.maximum(bottom_right - top_left, 0), axis=1)
            areas = np.prod(boxes[rest, 2:] - boxes[rest, :2], axis=1)
            rest = rest[1:][inter / (areas[0] + areas[1:] - inter) <= iou]
    chosen = np.asarray(kept, np.intp)
    by_score = np.argsort(-scores[chosen], kind="stable")
    return np.asarray(chosen[by_score])

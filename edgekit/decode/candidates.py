"""Candidates before suppression: boxes, scores and classes in input pixels, and the cell each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.ops.math import logit
from edgekit.ops.nms import nms


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """n possible objects.

    Attributes:
        boxes_xyxy: (n, 4) float32 input pixels.
        scores: (n,) float32, 0..1.
        class_ids: (n,) int32.
        strides: (n,) int32: on which grid each was found.
        cells: (n,): its flat cell index there (heads with anchor boxes: cell * anchors + anchor), so that other
            heads are read for survivors only.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    strides: npt.NDArray[np.int32]
    cells: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: npt.NDArray[np.intp]) -> Candidates:
        """Return the candidates at `index` (k,), in that order."""
        return Candidates(
            self.boxes_xyxy.take(index, axis=0),
            self.scores.take(index),
            self.class_ids.take(index),
            self.strides.take(index),
            self.cells.take(index),
        )

    def finite(self) -> Candidates:
        """Return the candidates whose boxes hold neither NaN nor infinity: others are no objects."""
        finite = np.isfinite(self.boxes_xyxy).all(axis=1)
        return self if finite.all() else self.take(finite.nonzero()[0])

    def best(self, count: int) -> Candidates:
        """Return the `count` highest scores, best first; equal scores keep their order."""
        return self.take(np.argsort(-self.scores, kind="stable")[:count])

    def suppress(self, *, iou_threshold: float, max_detections: int) -> Candidates:
        """Return what class-aware NMS leaves, best first."""
        keep = nms(
            self.boxes_xyxy,
            self.scores,
            self.class_ids,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
        )
        return self.take(keep)


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Concatenate the candidates of several grids."""
    names = ("boxes_xyxy", "scores", "class_ids", "strides", "cells")
    return Candidates(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def without_nan(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return `logits` with NaN as -infinity: it is no class, and hides none."""
    return np.where(np.isnan(logits), np.float32(-np.inf), logits) if np.isnan(logits).any() else logits


def pick_classes(
    logits: npt.NDArray[np.float32], score_threshold: float, *, multi_label: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Choose the classes of selected cells.

    Args:
        logits: (n, classes) float32.
        score_threshold: 0..1.
        multi_label: Every class above the threshold instead of each cell's best one.

    Returns:
        Row indices and class ids (k,).
    """
    if multi_label:
        rows, class_ids = np.nonzero(logits > np.float32(logit(score_threshold)))
        return rows, class_ids.astype(np.int32)
    return np.arange(len(logits)), logits.argmax(axis=1).astype(np.int32)

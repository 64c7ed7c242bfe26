"""Candidates before suppression: boxes, scores and classes in input pixels, and where each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import box_places, decode_boxes
from edgekit.decode.heads import BoundHeads, RawHeads, bind_roles
from edgekit.decode.score_filter import filter_cells
from edgekit.ops.math import logit, sigmoid
from edgekit.ops.nms import nms
from edgekit.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Candidates:
    """n possible objects.

    `boxes_xyxy` (n, 4) float32 input pixels, `scores` (n,) float32, `class_ids` (n,) int32; `strides` (n,) and
    `cells` (n,) say which grid cell each came from, so that other heads are read for survivors only.
    """

    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    strides: npt.NDArray[np.int32]
    cells: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: npt.NDArray[np.intp]) -> Candidates:
        """Those at `index`, in that order."""
        return Candidates(
            self.boxes_xyxy.take(index, axis=0),
            self.scores.take(index),
            self.class_ids.take(index),
            self.strides.take(index),
            self.cells.take(index),
        )


def find_candidates(
    heads: RawHeads | BoundHeads, spec: ModelSpec, *, score_threshold: float, multi_label: bool = False
) -> Candidates:
    """Gate, then decode: only cells above the threshold are looked at.

    `multi_label` gives one candidate per (cell, class) instead of the cell's best class, as scoring for mAP
    does. A threshold of 0 or below decodes every cell.
    """
    bound = heads if isinstance(heads, BoundHeads) else bind_roles(heads, spec)
    parts = []
    for stride in bound.strides:
        own, passed = filter_cells(bound.of("class", stride), score_threshold)
        if len(own) or stride == bound.strides[-1]:  # the last one always, so that nothing found has columns, too
            box = bound.of("box", stride)
            parts.append((own, passed, box.floats(own), box_places(box.grid_hw, stride).take(own, axis=0)))
    cells, logits, rows, places = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    boxes = decode_boxes(rows, places, reg_max=spec.reg_max)
    of_stride = places[:, -1].astype(np.int32)  # how far down a cell reaches
    row, class_ids = pick_classes(logits, score_threshold, multi_label=multi_label)
    scores = sigmoid(logits[row, class_ids])
    if multi_label:
        boxes, of_stride, cells = boxes[row], of_stride[row], cells[row]
    return Candidates(boxes, scores, class_ids, of_stride, cells)


def pick_classes(
    logits: npt.NDArray[np.float32], score_threshold: float, *, multi_label: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Rows and class ids of gated `logits` (n, classes): each row's best class, or all above the threshold."""
    if multi_label:
        rows, class_ids = np.nonzero(logits > np.float32(logit(score_threshold)))
        return rows, class_ids.astype(np.int32)
    return np.arange(len(logits)), logits.argmax(axis=1).astype(np.int32)


def suppress(candidates: Candidates, *, iou_threshold: float, max_detections: int) -> Candidates:
    """What class-aware NMS leaves, best first."""
    keep = nms(
        candidates.boxes_xyxy,
        candidates.scores,
        candidates.class_ids,
        iou_threshold=iou_threshold,
        max_detections=max_detections,
    )
    return candidates.take(keep)


def gather_rows(candidates: Candidates, bound: BoundHeads, role: str, channels: int) -> npt.NDArray[np.float32]:
    """The float rows (n, channels) of the heads of another role, at the candidates' own cells."""
    out = np.empty((len(candidates), channels), np.float32)
    for stride in set(candidates.strides.tolist()):
        mine = (candidates.strides == stride).nonzero()[0]
        out[mine] = bound.of(role, stride).floats(candidates.cells.take(mine))
    return out


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several grids as one."""
    names = ("boxes_xyxy", "scores", "class_ids", "strides", "cells")
    return Candidates(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

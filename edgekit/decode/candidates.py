"""Candidates before suppression: boxes, scores and classes in input pixels, and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import decode_boxes
from edgekit.decode.gate import all_classes, best_classes
from edgekit.decode.heads import HeadRows, RawHeads, bind_heads
from edgekit.ops.math import sigmoid
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
            self.boxes_xyxy[index], self.scores[index], self.class_ids[index], self.strides[index], self.cells[index]
        )


def find_candidates(
    heads: RawHeads, spec: ModelSpec, *, score_threshold: float, multi_label: bool = False
) -> Candidates:
    """Gate, then decode: only cells above the threshold are looked at.

    `multi_label` gives one candidate per (cell, class) instead of the cell's best class, as scoring for mAP
    does. A threshold of 0 or below decodes every cell.
    """
    rows = bind_heads(heads, spec)
    gate = all_classes if multi_label else best_classes
    parts = []
    for stride in spec.strides:
        boxes_head = rows[spec.head("box", stride).name]
        cells, class_ids, logits = gate(rows[spec.head("class", stride).name], score_threshold)
        boxes = decode_boxes(
            boxes_head.floats(cells),
            cells,
            grid_width=boxes_head.grid_hw[1],
            stride=stride,
            reg_max=spec.reg_max,
        )
        strides = np.full(len(cells), stride, np.int32)
        parts.append(Candidates(boxes, sigmoid(logits), class_ids, strides, cells))
    return _join(parts)


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


def gather_rows(candidates: Candidates, heads: Mapping[int, HeadRows], channels: int) -> npt.NDArray[np.float32]:
    """The float rows (n, channels) of another head, `heads` by stride, at the candidates' own cells."""
    out = np.empty((len(candidates), channels), np.float32)
    for stride, rows in heads.items():
        mine = np.flatnonzero(candidates.strides == stride)
        out[mine] = rows.floats(candidates.cells[mine])
    return out


def _join(parts: list[Candidates]) -> Candidates:
    names = ("boxes_xyxy", "scores", "class_ids", "strides", "cells")
    return Candidates(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

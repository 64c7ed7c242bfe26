"""Candidates before suppression: boxes, scores and classes in input pixels, and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import decode_boxes
from edgekit.decode.gate import gate_cells
from edgekit.decode.heads import HeadRows, RawHeads, bind_heads
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
    strides = spec.strides
    classes = [rows[spec.head("class", stride).name] for stride in strides]
    boxes = [rows[spec.head("box", stride).name] for stride in strides]
    cells = [gate_cells(head, score_threshold) for head in classes]
    counts = [len(found) for found in cells]
    every_cell = np.concatenate(cells)
    every_stride = np.repeat(np.asarray(strides, np.int32), counts)
    every_box = decode_boxes(
        np.concatenate([head.floats(found) for head, found in zip(boxes, cells, strict=True)]),
        every_cell,
        grid_width=np.repeat([head.grid_hw[1] for head in boxes], counts),
        stride=every_stride[:, None],
        reg_max=spec.reg_max,
    )
    logits = np.concatenate([head.floats(found) for head, found in zip(classes, cells, strict=True)])
    row, class_ids = _classes_above(logits, score_threshold) if multi_label else _best_class(logits)
    return Candidates(
        every_box[row], sigmoid(logits[row, class_ids]), class_ids.astype(np.int32), every_stride[row], every_cell[row]
    )


def _best_class(logits: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Every row once, with its best class."""
    return np.arange(len(logits)), logits.argmax(axis=1)


def _classes_above(
    logits: npt.NDArray[np.float32], score_threshold: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Every (row, class) above the threshold: what scoring for mAP asks for."""
    row, class_ids = np.nonzero(logits > np.float32(logit(score_threshold)))
    return row, class_ids


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

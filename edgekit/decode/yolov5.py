"""Heads with anchor boxes: YOLOv5's, one convolution per stride that holds everything of its anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.candidates import Candidates, join_candidates
from edgekit.decode.heads import Floats, Head, Heads, RawHeads
from edgekit.errors import ModelError
from edgekit.ops.boxes import xywh_to_xyxy
from edgekit.ops.math import logit, sigmoid
from edgekit.spec import ModelSpec

Slots = npt.NDArray[np.intp]  # flat indices of (cell, anchor): cell * anchors + anchor
Anchors = tuple[tuple[float, float], ...]  # (width, height) in input pixels
OBJECT, CLASSES = 4, 5  # columns of a slot: x, y, width, height, objectness, then classes and mask coefficients


@dataclass(frozen=True, slots=True, eq=False)
class AnchorGrid:
    """The head of one stride and its anchor boxes."""

    head: Head
    anchors_wh: Anchors

    def slots(self, raw: RawHeads) -> npt.NDArray[Any]:
        """Return the head as a view (cells * anchors, columns), in the device's numbers."""
        return self.head.rows(raw).reshape(-1, self.head.spec.channels // len(self.anchors_wh))

    def floats(self, raw: RawHeads, slots: Slots) -> Floats:
        """Return the rows of these slots in the float model's unit: (n, columns) float32."""
        rows = self.slots(raw)[slots].astype(np.float32)
        if len(self.head.spec.scale) <= 1:
            return rows * self.head.scale if self.head.spec.scale else rows
        return rows * self.head.scale.reshape(len(self.anchors_wh), -1)[slots % len(self.anchors_wh)]

    def passing(self, raw: RawHeads, score_threshold: float) -> Slots:
        """Return the slots whose objectness passes the threshold, compared in the device's numbers."""
        objectness = self.slots(raw)[:, OBJECT]
        if score_threshold <= 0:
            return np.arange(len(objectness))
        limit, count, scale = logit(score_threshold), len(self.anchors_wh), self.head.scale
        if not self.head.spec.scale:
            return np.flatnonzero(objectness > np.float32(limit))
        scale = scale if len(scale) == 1 else scale.reshape(count, -1)[:, OBJECT]
        limits = np.floor(limit / scale.astype(np.float64))  # number * scale > limit, for integers
        return np.flatnonzero((objectness.reshape(-1, count) > np.broadcast_to(limits, count)).reshape(-1))

    def boxes(self, rows: Floats, slots: Slots) -> Floats:
        """Decode boxes (n, 4) xyxy in input pixels: center 2 sig - 1/2 + cell, size (2 sig)^2 * anchor (YOLOv5 v6)."""
        box = sigmoid(rows[:, :OBJECT])
        row, column = np.divmod(slots // len(self.anchors_wh), self.head.grid_hw[1])
        corner = np.stack([column, row], axis=1).astype(np.float32)
        center = (box[:, :2] * 2 - np.float32(0.5) + corner) * np.float32(self.head.spec.stride)
        size = (box[:, 2:] * 2) ** 2 * np.asarray(self.anchors_wh, np.float32)[slots % len(self.anchors_wh)]
        return xywh_to_xyxy(np.concatenate([center, size], axis=1))


class AnchorHeads:
    """The heads of a model with several anchor boxes per cell, and how they become candidates."""

    def __init__(self, heads: Heads, *, score_threshold: float) -> None:
        """Bind the head and anchors of every stride; raises ModelError if they do not fit together."""
        self.spec: ModelSpec = heads.spec
        self.score_threshold = score_threshold
        self._classes = slice(CLASSES, CLASSES + self.spec.num_classes)
        self.grids = tuple(
            AnchorGrid(heads.get("object", stride), anchors)
            for stride, anchors in zip(self.spec.strides, stride_anchors(self.spec), strict=True)
        )

    def candidates(self, raw: RawHeads, *, multi_label: bool = False) -> Candidates:
        """Decode the slots above the score threshold; `cells` of the candidates are slots.

        A slot's score is sigmoid(objectness) * sigmoid(class), so one whose objectness alone is too low is not read.

        Args:
            raw: The device's outputs, checked.
            multi_label: One candidate per (slot, class) instead of each slot's best class.

        Returns:
            Candidates in the order of strides and slots.
        """
        parts = []
        for grid in self.grids:
            slots = grid.passing(raw, self.score_threshold)
            rows = grid.floats(raw, slots)
            scores = np.fmax(self.scores(rows), 0)  # NaN is no class
            if multi_label:
                index, class_ids = np.nonzero(scores > self.score_threshold)
            else:
                class_ids = scores.argmax(axis=1)
                index = np.flatnonzero(scores[np.arange(len(scores)), class_ids] > self.score_threshold)
                class_ids = class_ids[index]
            strides = np.full(len(index), grid.head.spec.stride, np.int32)
            boxes = grid.boxes(rows[index], slots[index])
            parts.append(Candidates(boxes, scores[index, class_ids], class_ids.astype(np.int32), strides, slots[index]))
        return join_candidates(parts).finite()

    def extra_rows(self, raw: RawHeads, candidates: Candidates) -> Floats:
        """Read the last columns of the candidates' own slots, their mask coefficients: (n, masks) float32."""
        out = np.empty((len(candidates), _mask_columns(self.spec)), np.float32)
        for grid in self.grids:
            index = candidates.strides == grid.head.spec.stride
            out[index] = self.extra(grid.floats(raw, candidates.cells[index]))
        return out

    def extra(self, rows: Floats) -> Floats:
        """Return the mask coefficients (n, masks) of slots' rows."""
        return rows[:, self._classes.stop :]

    def scores(self, rows: Floats) -> Floats:
        """Return the scores (n, classes), 0..1, of slots' rows."""
        return sigmoid(rows[:, OBJECT:CLASSES]) * sigmoid(rows[:, self._classes])


def stride_anchors(spec: ModelSpec) -> tuple[Anchors, ...]:
    """Return the anchors per stride, small to large; raises ModelError if they do not fit the heads."""
    if len(spec.anchors) != len(spec.strides):
        raise ModelError(
            f"the sidecar has anchors for {len(spec.anchors)} strides, expected {len(spec.strides)}",
            hint="cut the stock ONNX again: its constants hold the anchors",
        )
    masks = _mask_columns(spec)
    for stride, anchors in zip(spec.strides, spec.anchors, strict=True):
        channels = spec.head("object", stride).channels
        if not anchors or channels != len(anchors) * (CLASSES + spec.num_classes + masks):
            raise ModelError(
                f"the head on stride {stride} has {channels} channels, expected {len(anchors)} anchors of "
                f"{CLASSES + spec.num_classes + masks} (box, objectness, {spec.num_classes} classes, {masks} masks)",
                hint="fix names or anchors in the sidecar, or cut the stock ONNX again",
            )
    return spec.anchors


def _mask_columns(spec: ModelSpec) -> int:
    return sum(head.channels for head in spec.outputs if head.role == "proto")

"""Anchor boxes: the heads of YOLOv5, one convolution per stride that holds everything of its anchors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.candidates import Candidates, join_candidates
from edgekit.decode.heads import BoundHeads, HeadRows
from edgekit.errors import ModelError
from edgekit.ops.boxes import xywh_to_xyxy
from edgekit.ops.math import logit, sigmoid
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]
Slots = npt.NDArray[np.intp]  # flat indices of (cell, anchor): cell * anchors + anchor
OBJECT, CLASSES = 4, 5  # columns of a slot: x, y, width, height, objectness, then classes and mask coefficients


def find_anchored(
    bound: BoundHeads, spec: ModelSpec, *, score_threshold: float, multi_label: bool = False
) -> Candidates:
    """As `find_candidates`, from anchors; `cells` of the candidates are slots.

    A slot's score is sigmoid(objectness) * sigmoid(class), so one whose objectness alone is too low is not read.
    """
    parts = []
    for stride, anchors_wh in zip(spec.strides, stride_anchors(spec), strict=True):
        head = bound.of("object", stride)
        slots = gate_slots(head, len(anchors_wh), score_threshold)
        rows = slot_floats(head, len(anchors_wh), slots)
        scores = sigmoid(rows[:, OBJECT:CLASSES]) * sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes])
        if multi_label:
            index, class_ids = np.nonzero(scores > score_threshold)
        else:
            class_ids = scores.argmax(axis=1)
            index = np.flatnonzero(scores[np.arange(len(scores)), class_ids] > score_threshold)
            class_ids = class_ids[index]
        boxes = decode_slots(
            rows[index], slots[index], grid_width=head.grid_hw[1], stride=stride, anchors_wh=anchors_wh
        )
        strides = np.full(len(index), stride, np.int32)
        parts.append(Candidates(boxes, scores[index, class_ids], class_ids.astype(np.int32), strides, slots[index]))
    return join_candidates(parts)


def stride_anchors(spec: ModelSpec) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Anchors (width, height) px per stride, small to large; raises ModelError where they do not fit the heads."""
    if len(spec.anchors) != len(spec.strides):
        raise ModelError(
            f"the sidecar has anchors for {len(spec.anchors)} strides, expected {len(spec.strides)}",
            hint="cut the stock ONNX again: its constants hold the anchors",
        )
    for stride, anchors in zip(spec.strides, spec.anchors, strict=True):
        channels = spec.head("object", stride).channels
        masks = spec.head("proto").channels if spec.task == "segment" else 0
        if not anchors or channels != len(anchors) * (CLASSES + spec.num_classes + masks):
            raise ModelError(
                f"the head on stride {stride} has {channels} channels, expected {len(anchors)} anchors of "
                f"{CLASSES + spec.num_classes + masks} (box, objectness, {spec.num_classes} classes, {masks} masks)",
                hint="fix names or anchors in the sidecar, or cut the stock ONNX again",
            )
    return spec.anchors


def gate_slots(head: HeadRows, anchors: int, score_threshold: float) -> Slots:
    """Slots whose objectness passes the threshold, compared in the device's own numbers."""
    objectness = _slot_rows(head, anchors)[:, OBJECT]
    bound = logit(score_threshold)
    if score_threshold <= 0:
        return np.arange(len(objectness))
    if not head.head.scale:
        return np.flatnonzero(objectness > np.float32(bound))
    scale = head.scale() if len(head.head.scale) == 1 else head.scale().reshape(anchors, -1)[:, OBJECT]
    threshold = np.floor(bound / scale.astype(np.float64))  # raw * scale > bound, for whole numbers
    return np.flatnonzero((objectness.reshape(-1, anchors) > np.broadcast_to(threshold, anchors)).reshape(-1))


def slot_floats(head: HeadRows, anchors: int, slots: Slots | None = None) -> Floats:
    """The rows of these slots, or all, in the float model's unit: (n, columns) float32 = raw * scale."""
    rows = _slot_rows(head, anchors)
    rows = (rows if slots is None else rows[slots]).astype(np.float32)
    if not head.head.scale:
        return rows
    if len(head.head.scale) == 1:
        return rows * head.scale()
    anchor = (np.arange(len(rows)) if slots is None else slots) % anchors
    return rows * head.scale().reshape(anchors, -1)[anchor]


def decode_slots(
    rows: Floats, slots: Slots, *, grid_width: int, stride: int, anchors_wh: tuple[tuple[float, float], ...]
) -> Floats:
    """Boxes (n, 4) xyxy in input pixels: centre 2 sig - 1/2 + cell, size (2 sig)^2 * anchor (YOLOv5 v6 head)."""
    box = sigmoid(rows[:, :OBJECT])
    row, column = np.divmod(slots // len(anchors_wh), grid_width)
    corner = np.stack([column, row], axis=1).astype(np.float32)
    centre = (box[:, :2] * 2 - np.float32(0.5) + corner) * np.float32(stride)
    size = (box[:, 2:] * 2) ** 2 * np.asarray(anchors_wh, np.float32)[slots % len(anchors_wh)]
    return xywh_to_xyxy(np.concatenate([centre, size], axis=1))


def gather_masks(found: Candidates, bound: BoundHeads, spec: ModelSpec) -> Floats:
    """Mask coefficients (n, masks) of the candidates: the last columns of their own slots."""
    out = np.empty((len(found), spec.head("proto").channels), np.float32)
    for stride, anchors_wh in zip(spec.strides, stride_anchors(spec), strict=True):
        mine = found.strides == stride
        rows = slot_floats(bound.of("object", stride), len(anchors_wh), found.cells[mine])
        out[mine] = rows[:, CLASSES + spec.num_classes :]
    return out


def _slot_rows(head: HeadRows, anchors: int) -> npt.NDArray[Any]:
    return head.raw.reshape(-1, head.head.channels // anchors)

"""Anchor boxes: the heads of YOLOv5, one convolution per stride that holds everything of its anchors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import HeadRows
from edgekit.ops.boxes import xywh_to_xyxy
from edgekit.ops.math import logit, sigmoid

Floats = npt.NDArray[np.float32]
BOX_COLUMNS = 4  # x, y, width, height; then objectness, the classes and (segment) the mask coefficients
Slots = npt.NDArray[np.intp]  # flat indices of (cell, anchor): cell * anchors + anchor


def slot_rows(head: HeadRows, anchors: int) -> npt.NDArray[np.generic]:
    """The head as (cells * anchors, 5 + nc [+ masks]) rows, in the device's own numbers."""
    return head.raw.reshape(-1, head.head.channels // anchors)


def gate_slots(head: HeadRows, anchors: int, score_threshold: float) -> Slots:
    """Slots whose objectness alone passes: the score is objectness times class, so no other can pass."""
    rows = slot_rows(head, anchors)
    if score_threshold <= 0:
        return np.arange(len(rows))
    return np.flatnonzero(slot_floats(head, anchors, slice(None), columns=slice(4, 5))[:, 0] > logit(score_threshold))


def slot_floats(head: HeadRows, anchors: int, slots: Slots | slice, columns: slice = slice(None)) -> Floats:
    """The rows of these slots in the float model's unit, (n, columns) float32."""
    rows = slot_rows(head, anchors)[slots, columns].astype(np.float32)
    scale = head.scale()
    if len(scale) <= 1:
        return rows * scale if len(scale) else rows
    per_anchor = scale.reshape(anchors, -1)[:, columns]
    anchor = np.arange(rows.shape[0]) % anchors if isinstance(slots, slice) else slots % anchors
    return rows * per_anchor[anchor]


def decode_slots(
    rows: Floats, slots: Slots, *, grid_width: int, stride: int, anchors_wh: tuple[tuple[float, float], ...]
) -> Floats:
    """Boxes (n, 4) xyxy in input pixels: centre 2 sig - 1/2 + cell, size (2 sig)^2 * anchor (YOLOv5 v6 head)."""
    box = sigmoid(rows[:, :BOX_COLUMNS])
    cells = slots // len(anchors_wh)
    corner = np.stack([cells % grid_width, cells // grid_width], axis=1).astype(np.float32)
    centre = (box[:, :2] * 2 - np.float32(0.5) + corner) * np.float32(stride)
    size = (box[:, 2:] * 2) ** 2 * np.asarray(anchors_wh, np.float32)[slots % len(anchors_wh)]
    return xywh_to_xyxy(np.concatenate([centre, size], axis=1))

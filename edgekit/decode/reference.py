"""Every cell decoded, nothing gated: the plain reference, and the rows that a stock export gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import box_places, decode_boxes, dfl_distances
from edgekit.decode.families import formulas
from edgekit.decode.heads import HeadRows, RawHeads, bind_heads
from edgekit.decode.keypoints import decode_keypoints
from edgekit.decode.rotated import decode_angles, decode_rotated
from edgekit.decode.yolov5 import CLASSES, OBJECT, decode_slots, slot_floats, stride_anchors
from edgekit.ops.math import sigmoid
from edgekit.spec import ModelSpec

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AllRows:
    """A rows in all, stride by stride, cell by cell (YOLOv5: each cell's anchors one after the other).

    `boxes` (A, 4) float32 input pixels: xyxy, but centre and size for obb; `scores` (A, classes) 0..1;
    `extra` (A, k): mask coefficients, flat key points with visibility 0..1, the angle in radians, or nothing.
    """

    boxes: Floats
    scores: Floats
    extra: Floats


def decode_rows(heads: RawHeads, spec: ModelSpec) -> AllRows:
    """All rows of one image's raw heads, in the frame of the letterboxed input."""
    bound = bind_heads(heads, spec)
    one_stride = _anchor_rows if formulas(spec.family).anchors else _free_rows
    parts = [one_stride(bound, spec, stride) for stride in spec.strides]
    return AllRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _free_rows(bound: dict[str, HeadRows], spec: ModelSpec, stride: int) -> tuple[Floats, Floats, Floats]:
    box = bound[spec.head("box", stride).name]
    scores = sigmoid(bound[spec.head("class", stride).name].floats())
    cells, width, family = np.arange(len(box.raw)), box.grid_hw[1], formulas(spec.family)
    if spec.task == "obb":
        angles = decode_angles(bound[spec.head("angle", stride).name].floats(), family)
        distances = dfl_distances(box.floats(), reg_max=spec.reg_max)
        boxes = decode_rotated(distances, angles, cells, grid_width=width, stride=stride)
        return boxes, scores, angles[:, None]
    boxes = decode_boxes(box.floats(), box_places(box.grid_hw, stride), reg_max=spec.reg_max)
    if spec.task == "segment":
        return boxes, scores, bound[spec.head("mask", stride).name].floats()
    if spec.task == "pose":
        rows = bound[spec.head("keypoint", stride).name].floats()
        points = decode_keypoints(
            rows, cells, grid_width=width, stride=stride, keypoint_shape=spec.keypoint_shape, formulas=family
        )
        return boxes, scores, points.reshape(rows.shape)
    return boxes, scores, np.empty((len(cells), 0), np.float32)


def _anchor_rows(bound: dict[str, HeadRows], spec: ModelSpec, stride: int) -> tuple[Floats, Floats, Floats]:
    head = bound[spec.head("object", stride).name]
    anchors = stride_anchors(spec)[spec.strides.index(stride)]
    rows = slot_floats(head, len(anchors))
    boxes = decode_slots(rows, np.arange(len(rows)), grid_width=head.grid_hw[1], stride=stride, anchors_wh=anchors)
    scores = sigmoid(rows[:, OBJECT:CLASSES]) * sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes])
    return boxes, scores, rows[:, CLASSES + spec.num_classes :]

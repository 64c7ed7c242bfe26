"""Class-aware non-maximum suppression on xyxy boxes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.ops.boxes import Boxes, box_iou

MAX_CANDIDATES = 30_000  # what Ultralytics lets into its NMS; the best ones by score
BLOCK_BOXES = 128  # candidates whose mutual overlaps are computed at once


def nms(
    boxes_xyxy: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int32],
    *,
    iou_threshold: float,
    max_detections: int = 300,
) -> npt.NDArray[np.intp]:
    """Suppress boxes that a better one of the same class overlaps.

    Args:
        boxes_xyxy: (n, 4) float32.
        scores: (n,) float32; equal ones keep the order of the input.
        class_ids: (n,) int32.
        iou_threshold: Overlap (0..1) above which the lower score goes.
        max_detections: Boxes kept.

    Returns:
        Indices (k,) of the kept boxes, best first.
    """
    order = (-scores).argsort(kind="stable")[:MAX_CANDIDATES]
    boxes, classes = boxes_xyxy.take(order, axis=0), class_ids.take(order)
    kept = _greedy(boxes[:BLOCK_BOXES], classes[:BLOCK_BOXES], iou_threshold)
    for start in range(BLOCK_BOXES, len(order), BLOCK_BOXES):
        if len(kept) >= max_detections:
            break
        block = np.arange(start, min(start + BLOCK_BOXES, len(order)))
        rivals = _overlaps(boxes[block], classes[block], boxes[kept], classes[kept], iou_threshold)
        block = block[~rivals.any(axis=1)]
        kept = np.concatenate([kept, block[_greedy(boxes[block], classes[block], iou_threshold)]])
    return np.asarray(order[kept[:max_detections]], np.intp)


def nms_reference(
    boxes_xyxy: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int32],
    *,
    iou_threshold: float,
    max_detections: int = 300,
) -> npt.NDArray[np.intp]:
    """Do what `nms` does, box by box as the definition reads: its oracle."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]:
        rivals = [k for k in kept if class_ids[k] == class_ids[index]]
        overlaps = box_iou(boxes_xyxy[[index]], boxes_xyxy[rivals])
        if len(kept) < max_detections and not (overlaps > iou_threshold).any():
            kept.append(int(index))
    return np.asarray(kept, np.intp)


def _greedy(boxes: Boxes, classes: npt.NDArray[np.int32], iou_threshold: float) -> npt.NDArray[np.intp]:
    """Return which of one block stay, in the order of the scores.

    A row of overlaps, a byte for each box, is one integer.
    """
    overlaps = _overlaps(boxes, classes, boxes, classes, iou_threshold)
    rows, count = overlaps.tobytes(), len(overlaps)
    all_gone, gone, alive = 0, bytes(count), []
    for i in range(count):
        if not gone[i]:
            alive.append(i)
            start, end = i * count, (i + 1) * count
            if rows.count(1, start, end) > 1:  # others than itself
                all_gone |= int.from_bytes(rows[start:end], "little")
                gone = all_gone.to_bytes(count, "little")
    return np.asarray(alive, np.intp)


def _overlaps(
    a_boxes: Boxes,
    a_classes: npt.NDArray[np.int32],
    b_boxes: Boxes,
    b_classes: npt.NDArray[np.int32],
    iou_threshold: float,
) -> npt.NDArray[np.bool_]:
    overlaps = box_iou(a_boxes, b_boxes) > iou_threshold
    overlaps &= a_classes[:, None] == b_classes
    return np.asarray(overlaps, np.bool_)

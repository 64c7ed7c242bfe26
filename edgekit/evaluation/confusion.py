"""The confusion matrix: which class objects are detected as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.evaluation.classes import ClassMap
from edgekit.evaluation.detections import ImageDetections
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.rotated import rotated_label
from edgekit.ops.boxes import box_iou
from edgekit.ops.rotated import rotated_iou

__all__ = ["BACKGROUND", "ConfusionMatrix", "confusion_of_classes", "confusion_of_objects"]

BACKGROUND = "background"
CONFIDENCE = 0.25  # what a user sees of a model; Ultralytics' `val` counts from there, too
IOU = 0.45
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionMatrix:
    """Counts of pairs of detected and labelled class.

    Attributes:
        names: (c,) of the classes; of objects the last is "background": detections of nothing, and missed objects.
        counts: (c, c) int64: a row per detected class, a column per labelled class.
        confidence: The score from which detections count; 0 of classifiers.
        iou: The overlap from which a detection and an object are a pair; 0 of classifiers.
    """

    names: tuple[str, ...]
    counts: Ints
    confidence: float = 0.0
    iou: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        thresholds = {"confidence": self.confidence, "iou": self.iou} if self.iou else {}
        return {**thresholds, "names": list(self.names), "detected_by_labelled": self.counts.tolist()}


def confusion_of_objects(
    labels: Labels,
    detections: Iterable[ImageDetections],
    classes: ClassMap,
    *,
    confidence: float = CONFIDENCE,
    iou: float = IOU,
) -> ConfusionMatrix:
    """Count which labelled classes are detected as which, whatever the class of a pair.

    Pairs are formed by falling IoU, each object and each detection once. Crowd regions are no objects, and detections
    that lie in one of their own class do not count.

    Args:
        labels: The labels.
        detections: Of each readable image; rotated boxes are compared as such.
        classes: Which class of the model is which category.
        confidence: The score from which detections count.
        iou: The overlap above which a detection and an object are a pair.

    Returns:
        The matrix, with the background last.
    """
    categories = sorted(classes.names)
    row_of = {category: row for row, category in enumerate(categories)}
    size = len(categories) + 1
    counts = np.zeros((size, size), np.int64)
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for label in labels.annotations:
        if label["category_id"] in row_of:
            by_image.setdefault(label["image_id"], []).append(label)
    for image in detections:
        of_image = by_image.get(image.image_id, [])
        objects = [label for label in of_image if not label.get("iscrowd")]
        labelled = _ints(row_of[label["category_id"]] for label in objects)
        kept = _counted(image, classes, confidence)
        detected = _ints(row_of[classes.category_of[c]] for c in image.class_ids[kept].tolist())
        pairs = _pairs(_overlaps(image, kept, objects), iou)
        free = np.ones(len(kept), np.bool_)
        free[pairs[:, 0]] = False
        free &= ~_covered_by_crowds(image, kept, detected, of_image, row_of)
        missed = np.delete(labelled, pairs[:, 1])
        np.add.at(counts, (detected[pairs[:, 0]], labelled[pairs[:, 1]]), 1)
        counts[:, -1] += np.bincount(detected[free], minlength=size)
        counts[-1] += np.bincount(missed, minlength=size)
    return ConfusionMatrix((*(classes.names[c] for c in categories), BACKGROUND), counts, confidence, iou)


def confusion_of_classes(labels: Labels, detections: Iterable[ImageDetections], classes: ClassMap) -> ConfusionMatrix:
    """Count which labelled classes a classifier takes for which.

    Args:
        labels: One category per image.
        detections: The best classes of each readable image.
        classes: Which class of the model is which category.

    Returns:
        The matrix; images whose first class is none of the labels' do not count.
    """
    categories = sorted(classes.names)
    row_of = {category: row for row, category in enumerate(categories)}
    expected = {label["image_id"]: label["category_id"] for label in labels.annotations}
    counts = np.zeros((len(categories), len(categories)), np.int64)
    for image in detections:
        best = classes.category_of.get(int(image.class_ids[0])) if len(image.class_ids) else None
        if best in row_of and expected.get(image.image_id) in row_of:
            counts[row_of[best], row_of[expected[image.image_id]]] += 1
    return ConfusionMatrix(tuple(classes.names[c] for c in categories), counts)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


def _counted(image: ImageDetections, classes: ClassMap, confidence: float) -> Ints:
    """Return the indices of detections that count: sure enough, and of a class that the labels have."""
    known = np.fromiter((c in classes.category_of for c in image.class_ids.tolist()), np.bool_, len(image.class_ids))
    return np.flatnonzero(known & (image.scores > confidence))


def _overlaps(image: ImageDetections, kept: Ints, objects: Sequence[Mapping[str, Any]]) -> Floats:
    """Return the IoU (n, m) of detections and objects."""
    if not objects or not len(kept):
        return np.zeros((len(kept), len(objects)), np.float32)
    if image.rotated_xywhr is not None:
        return rotated_iou(image.rotated_xywhr[kept], np.stack([rotated_label(label) for label in objects]))
    return box_iou(image.boxes_xyxy[kept], _boxes_xyxy(objects))


def _boxes_xyxy(objects: Sequence[Mapping[str, Any]]) -> Floats:
    ltwh = np.asarray([label["bbox"] for label in objects], np.float32).reshape(-1, 4)
    return np.concatenate([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]], axis=1)


def _pairs(overlaps: Floats, iou: float) -> Ints:
    """Return (k, 2) row and column of the pairs above a threshold, by falling overlap, each row and column once."""
    rows, columns = np.nonzero(overlaps > iou)
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    return np.asarray(pairs, np.int64).reshape(-1, 2)


def _covered_by_crowds(
    image: ImageDetections,
    kept: Ints,
    detected: Ints,
    of_image: Sequence[Mapping[str, Any]],
    row_of: Mapping[int, int],
) -> npt.NDArray[np.bool_]:
    """Return which detections lie with half of their area in a crowd region of their class."""
    crowds = [label for label in of_image if label.get("iscrowd")]
    if not crowds or not len(kept):
        return np.zeros(len(kept), np.bool_)
    boxes, regions = image.boxes_xyxy[kept], _boxes_xyxy(crowds)
    sides = np.minimum(boxes[:, None, 2:], regions[None, :, 2:]) - np.maximum(boxes[:, None, :2], regions[None, :, :2])
    covered = np.maximum(sides, 0).prod(axis=2)
    areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    same = detected[:, None] == _ints(row_of[label["category_id"]] for label in crowds)[None]
    return np.asarray((same & (covered > 0.5 * areas[:, None])).any(axis=1))

"""How far a model agrees with a reference on the same images: the reference's confident detections as ground truth.

No labels are needed, and the noise is far less than that of mAP: every confident detection is one vote on the one thing
that quantization can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from edgekit.evaluation.bootstrap import Float64Array, Interval, interval
from edgekit.evaluation.detections import ImageDetections
from edgekit.ops.boxes import box_iou

__all__ = [
    "CONFIDENT",
    "IOUS",
    "SHOWN",
    "Agreement",
    "ImageAgreement",
    "agree_on_image",
    "match_detections",
    "summarise",
]

CONFIDENT = 0.4  # scores that a user would act on
SHOWN = 0.25  # what `edgekit run` shows by default: below it a detection is lost to the user
IOUS = (0.5, 0.8, 0.9)
MIN_MATCH_IOU = 0.1


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """Counts of one image.

    Attributes:
        reference: Confident detections of the reference.
        matched: Of those, matched ones at each of IOUS.
        gained: Confident detections of the model that the reference does not show.
        confident: Confident detections of the model.
        iou_sum: Over matches at IoU 0.5.
        mask_iou_sum: The same of masks.
        score_shift: Sum of absolute differences of the scores over the same matches.
        shown_iou: IoU summed over matches of all shown detections.
        shown: Their number, where a detection without a match counts half.
    """

    reference: int
    matched: tuple[int, ...]
    gained: int
    confident: int
    iou_sum: float
    mask_iou_sum: float
    score_shift: float
    shown_iou: float
    shown: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over all images; shares in 0..1 with their intervals.

    Attributes:
        reference: Number of confident detections of the reference.
        quality: Panoptic quality of all shown boxes with the reference's as ground truth: the IoU of matches, where a
            detection without a match counts half (Kirillov et al. 2019, "Panoptic Segmentation"). Every detection
            contributes by how far it moved, so that this is the metric with the least noise.
        draws: (1 + b,) those behind its interval.
        matched: (IoU, share of the reference's detections that are matched).
        gained: Share of the model's detections that the reference does not show.
        box_iou: Mean over matches.
        mask_iou: The same of masks; NaN without masks.
        score_shift: Mean absolute difference of the scores.
    """

    reference: int
    quality: Interval
    draws: Float64Array
    matched: tuple[tuple[float, Interval], ...]
    gained: Interval
    box_iou: float
    mask_iou: float
    score_shift: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "reference_detections": self.reference,
            "panoptic_quality": self.quality.to_dict(),
            "matched": {f"iou_{iou:g}": share.to_dict() for iou, share in self.matched},
            "gained": self.gained.to_dict(),
            "mean_box_iou": _or_none(self.box_iou),
            "mean_mask_iou": _or_none(self.mask_iou),
            "mean_score_shift": _or_none(self.score_shift),
        }


def agree_on_image(detections: ImageDetections, reference: ImageDetections) -> ImageAgreement:
    """Match detections of the same class, best overlap first, each once.

    Args:
        detections: Of the model.
        reference: Of the reference, on the same image.

    Returns:
        The counts.
    """
    confident, expected = detections.scores >= CONFIDENT, reference.scores >= CONFIDENT
    shown = reference.scores >= SHOWN, detections.scores >= SHOWN
    matches = match_detections(reference, detections, expected, shown[1])
    of_confident = match_detections(reference, detections, shown[0], confident)
    known = {j for _, j, iou in of_confident if iou >= IOUS[0]}
    good = [(i, j, iou) for i, j, iou in matches if iou >= IOUS[0]]
    shown_ious = [iou for _, _, iou in match_detections(reference, detections, *shown) if iou > IOUS[0]]
    return ImageAgreement(
        reference=int(expected.sum()),
        matched=tuple(sum(iou >= threshold for _, _, iou in matches) for threshold in IOUS),
        gained=int(confident.sum()) - len(known),
        confident=int(confident.sum()),
        iou_sum=float(sum(iou for _, _, iou in good)),
        mask_iou_sum=_mask_iou(detections, reference, [(i, j) for i, j, _ in good]),
        score_shift=float(sum(abs(detections.scores[j] - reference.scores[i]) for i, j, _ in good)),
        shown_iou=float(sum(shown_ious)),
        shown=float(shown[0].sum() + shown[1].sum()) / 2,
    )


def match_detections(
    reference: ImageDetections,
    detections: ImageDetections,
    of_reference: npt.NDArray[np.bool_],
    of_detections: npt.NDArray[np.bool_],
) -> list[tuple[int, int, float]]:
    """Match detections of the same class greedily by IoU, each once.

    Args:
        reference: n detections.
        detections: m detections on the same image.
        of_reference: (n,) which of them may be matched.
        of_detections: (m,) which of them may be matched.

    Returns:
        (row of the reference, row of the detections, IoU above 0.1).
    """
    rows, columns = np.flatnonzero(of_reference), np.flatnonzero(of_detections)
    overlaps = box_iou(reference.boxes_xyxy[rows], detections.boxes_xyxy[columns])
    overlaps = np.where(reference.class_ids[rows][:, None] == detections.class_ids[columns], overlaps, 0)
    matches: list[tuple[int, int, float]] = []
    while overlaps.size and overlaps.max() > MIN_MATCH_IOU:
        i, j = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        matches.append((int(rows[i]), int(columns[j]), float(overlaps[i, j])))
        overlaps[i], overlaps[:, j] = 0, 0
    return matches


def summarise(images: Iterable[ImageAgreement], weights: Float64Array, *, has_masks: bool) -> Agreement:
    """Sum over images, with intervals.

    Args:
        images: Counts of p images.
        weights: (1 + b, p) how often each image counts; images without detections weigh nothing.
        has_masks: Whether both models have masks.

    Returns:
        The agreement.
    """
    rows = list(images)
    reference = _sums([row.reference for row in rows], weights)
    confident = _sums([row.confident for row in rows], weights)
    matches = max(1, sum(row.matched[0] for row in rows))
    draws = _share(_sums([row.shown_iou for row in rows], weights), _sums([row.shown for row in rows], weights))
    return Agreement(
        reference=sum(row.reference for row in rows),
        quality=interval(draws),
        draws=draws,
        matched=tuple(
            (iou, interval(_share(_sums([row.matched[k] for row in rows], weights), reference)))
            for k, iou in enumerate(IOUS)
        ),
        gained=interval(_share(_sums([row.gained for row in rows], weights), confident)),
        box_iou=sum(row.iou_sum for row in rows) / matches,
        mask_iou=sum(row.mask_iou_sum for row in rows) / matches if has_masks else float("nan"),
        score_shift=sum(row.score_shift for row in rows) / matches,
    )


def _mask_iou(detections: ImageDetections, reference: ImageDetections, matches: list[tuple[int, int]]) -> float:
    if not detections.rles or not reference.rles:
        return 0.0
    total = 0.0
    for i, j in matches:
        if reference.rles[i] == detections.rles[j]:  # empty ones too, of which pycocotools says 0
            total += 1
            continue
        total += float(coco_mask.iou([_bytes(reference.rles[i])], [_bytes(detections.rles[j])], [0])[0, 0])
    return total


def _bytes(rle: dict[str, Any]) -> dict[str, Any]:
    return {"size": rle["size"], "counts": rle["counts"].encode("ascii")}


def _sums(values: Sequence[float], weights: Float64Array) -> Float64Array:
    return np.asarray(weights @ np.asarray(values, np.float64))


def _share(part: Float64Array, total: Float64Array) -> Float64Array:
    return np.where(total > 0, part / np.where(total > 0, total, 1), np.nan)


def _or_none(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

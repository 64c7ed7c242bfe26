"""How far a model agrees with another on the same images: the other's confident detections as truth.

No labels are needed, and the noise is far less than that of mAP: every confident detection is one vote on the
one thing that quantization can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from edgekit.evaluate.bootstrap import Interval, interval
from edgekit.evaluate.predictions import ImageDetections
from edgekit.ops.boxes import box_iou

CONFIDENT = 0.4  # scores that a user would act on
SHOWN = 0.25  # what `edgekit run` shows by default: below it a detection is lost to the user
IOUS = (0.5, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """Counts of one image. `found[i]`: the reference's confident detections found again at IOUS[i].

    `gained`: confident ones that the reference does not show. `iou_sum`, `mask_iou_sum` and `score_shift` (of
    absolute differences) are sums over the pairs at IoU 0.5. `shown_iou` is the sum over pairs of all detections that
    either shows, `shown` their number, where those without a partner count half.
    """

    truth: int
    found: tuple[int, ...]
    gained: int
    confident: int
    iou_sum: float
    mask_iou_sum: float
    score_shift: float
    shown_iou: float
    shown: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement over all images; shares in 0..1 with their intervals. `mask_iou` is NaN without masks.

    `quality` is the panoptic quality of all shown boxes with the other model's as truth: the IoU of pairs, where a
    detection without a partner counts as half a pair of none (Kirillov et al. 2019, "Panoptic Segmentation"). Every
    detection has a share in it by how far it moved, so that it has the least noise of these figures; `draws` (1 + b)
    are those behind its interval.
    """

    truth: int
    quality: Interval
    draws: npt.NDArray[np.float64]
    matched: tuple[tuple[float, Interval], ...]
    gained: Interval
    box_iou: float
    mask_iou: float
    score_shift: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "reference_detections": self.truth,
            "panoptic_quality": self.quality.to_dict(),
            "matched": {f"iou_{iou:g}": one.to_dict() for iou, one in self.matched},
            "gained": self.gained.to_dict(),
            "mean_box_iou": _or_none(self.box_iou),
            "mean_mask_iou": _or_none(self.mask_iou),
            "mean_score_shift": _or_none(self.score_shift),
        }


def agree_on_image(found: ImageDetections, reference: ImageDetections) -> ImageAgreement:
    """Pairs detections of the same class, best overlap first, each used once."""
    pairs = pair_up(reference, found, reference.scores >= CONFIDENT, found.scores >= SHOWN)
    confident = found.scores >= CONFIDENT
    known = {j for _, j, iou in pair_up(reference, found, reference.scores >= SHOWN, confident) if iou >= IOUS[0]}
    good = [(i, j, iou) for i, j, iou in pairs if iou >= IOUS[0]]
    shown = reference.scores >= SHOWN, found.scores >= SHOWN
    partners = [iou for _, _, iou in pair_up(reference, found, *shown) if iou > IOUS[0]]
    return ImageAgreement(
        truth=int((reference.scores >= CONFIDENT).sum()),
        found=tuple(sum(iou >= limit for _, _, iou in pairs) for limit in IOUS),
        gained=int(confident.sum()) - len(known),
        confident=int(confident.sum()),
        iou_sum=float(sum(iou for _, _, iou in good)),
        mask_iou_sum=_mask_iou(found, reference, [(i, j) for i, j, _ in good]),
        score_shift=float(sum(abs(found.scores[j] - reference.scores[i]) for i, j, _ in good)),
        shown_iou=float(sum(partners)),
        shown=float(shown[0].sum() + shown[1].sum()) / 2,
    )


def pair_up(
    truth: ImageDetections, found: ImageDetections, of_truth: npt.NDArray[np.bool_], of_found: npt.NDArray[np.bool_]
) -> list[tuple[int, int, float]]:
    """(row of truth, row of found, IoU) of the same class and IoU above 0.1, greedily by IoU."""
    rows, columns = np.flatnonzero(of_truth), np.flatnonzero(of_found)
    overlaps = box_iou(truth.boxes_xyxy[rows], found.boxes_xyxy[columns])
    overlaps = np.where(truth.class_ids[rows][:, None] == found.class_ids[columns], overlaps, 0)
    pairs: list[tuple[int, int, float]] = []
    while overlaps.size and overlaps.max() > 0.1:
        i, j = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        pairs.append((int(rows[i]), int(columns[j]), float(overlaps[i, j])))
        overlaps[i], overlaps[:, j] = 0, 0
    return pairs


def summarise(images: Iterable[ImageAgreement], weights: npt.NDArray[np.float64], *, has_masks: bool) -> Agreement:
    """Sums over images, with intervals from `weights` (1 + b, p); images without detections weigh nothing."""
    rows = list(images)
    truth = _column([r.truth for r in rows], weights)
    confident = _column([r.confident for r in rows], weights)
    pairs = max(1, sum(r.found[0] for r in rows))
    draws = _share(_column([r.shown_iou for r in rows], weights), _column([r.shown for r in rows], weights))
    return Agreement(
        truth=sum(r.truth for r in rows),
        quality=interval(draws),
        draws=draws,
        matched=tuple(
            (iou, interval(_share(_column([r.found[k] for r in rows], weights), truth))) for k, iou in enumerate(IOUS)
        ),
        gained=interval(_share(_column([r.gained for r in rows], weights), confident)),
        box_iou=sum(r.iou_sum for r in rows) / pairs,
        mask_iou=sum(r.mask_iou_sum for r in rows) / pairs if has_masks else float("nan"),
        score_shift=sum(r.score_shift for r in rows) / pairs,
    )


def _mask_iou(found: ImageDetections, reference: ImageDetections, pairs: list[tuple[int, int]]) -> float:
    if not found.rles or not reference.rles:
        return 0.0
    total = 0.0
    for i, j in pairs:
        if reference.rles[i] == found.rles[j]:  # empty ones too, of which pycocotools says 0
            total += 1
            continue
        total += float(coco_mask.iou([_bytes(reference.rles[i])], [_bytes(found.rles[j])], [0])[0, 0])
    return total


def _bytes(rle: dict[str, Any]) -> dict[str, Any]:
    return {"size": rle["size"], "counts": rle["counts"].encode("ascii")}


def _column(values: Sequence[float], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(weights @ np.asarray(values, np.float64))


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _or_none(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None

"""What another model changes in the detections of an image: lost, gained and moved ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.evaluation.agreement import CONFIDENT, SHOWN, match_detections
from edgekit.evaluation.detections import ImageDetections
from edgekit.results import Detections

__all__ = ["DetectionDiff", "MatchedDetection", "as_image_detections", "diff_detections"]

MATCH_IOU = 0.5
MOVED_IOU = 0.8  # a match that overlaps less has visibly moved


@dataclass(frozen=True, slots=True)
class MatchedDetection:
    """One detection in words: class, score, box, and for a moved one its IoU with the match."""

    name: str
    score: float
    box_xyxy: tuple[float, ...]
    iou: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"name": self.name, "score": self.score, "box_xyxy": list(self.box_xyxy), "iou": self.iou}


@dataclass(frozen=True, slots=True)
class DetectionDiff:
    """What changed on one image.

    Attributes:
        image: Name of the image.
        lost: Confident detections of A that B does not show.
        gained: Confident detections of B that A does not show.
        moved: Detections of B that overlap their match too little.
        kept: Number of matches that did not move.
        drawing: Name of the side-by-side image, "" if none was drawn.
    """

    image: str
    lost: tuple[MatchedDetection, ...]
    gained: tuple[MatchedDetection, ...]
    moved: tuple[MatchedDetection, ...]
    kept: int
    drawing: str = ""

    @property
    def changes(self) -> int:
        """Number of lost, gained and moved detections."""
        return len(self.lost) + len(self.gained) + len(self.moved)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "image": self.image,
            "lost": [detection.to_dict() for detection in self.lost],
            "gained": [detection.to_dict() for detection in self.gained],
            "moved": [detection.to_dict() for detection in self.moved],
            "kept": self.kept,
            "drawing": self.drawing or None,
        }


def diff_detections(image: str, a: Detections, b: Detections) -> DetectionDiff:
    """Compare the detections of two models on an image.

    Args:
        image: Name of the image.
        a: Of the reference.
        b: Of the other model.

    Returns:
        What changed.
    """
    of_a, of_b = as_image_detections(a), as_image_detections(b)
    matches = match_detections(of_a, of_b, of_a.scores >= SHOWN, of_b.scores >= SHOWN)
    close = [(i, j, iou) for i, j, iou in matches if iou >= MATCH_IOU]
    matched_a, matched_b = {i for i, _, _ in close}, {j for _, j, _ in close}
    confident = [(j, iou) for i, j, iou in close if max(of_a.scores[i], of_b.scores[j]) >= CONFIDENT]
    return DetectionDiff(
        image,
        lost=tuple(_in_words(a, i) for i in range(len(a)) if a.scores[i] >= CONFIDENT and i not in matched_a),
        gained=tuple(_in_words(b, j) for j in range(len(b)) if b.scores[j] >= CONFIDENT and j not in matched_b),
        moved=tuple(_in_words(b, j, iou) for j, iou in confident if iou < MOVED_IOU),
        kept=sum(iou >= MOVED_IOU for _, iou in confident),
    )


def as_image_detections(results: Detections) -> ImageDetections:
    """Return results as detections to compare.

    Args:
        results: Of one image.

    Returns:
        Their boxes, scores and classes.
    """
    return ImageDetections(0, results.size_wh, results.boxes_xyxy, results.scores, results.class_ids)


def _in_words(results: Detections, index: int, iou: float = 0.0) -> MatchedDetection:
    box = tuple(round(float(v), 1) for v in results.boxes_xyxy[index])
    return MatchedDetection(results.labels[index], round(float(results.scores[index]), 4), box, round(iou, 4))

"""What another model changes in the detections of an image: lost, gained and moved ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgekit.evaluation.agreement import CONFIDENT, SHOWN, match_detections
from edgekit.evaluation.detections import ImageDetections
from edgekit.results import Detections

__all__ = [
    "DetectionDiff",
    "DetectionStates",
    "MatchedDetection",
    "State",
    "as_image_detections",
    "detection_states",
    "diff_detections",
]

State = Literal["kept", "lost", "gained", "moved", "faint"]  # faint: of a score that no user would act on

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


@dataclass(frozen=True, slots=True)
class DetectionStates:
    """What became of the detections of two models on an image.

    Attributes:
        of_a: State of each detection of the reference.
        of_b: State of each detection of the other model.
        matches: (row of the reference, row of the other model, IoU of the boxes).
    """

    of_a: tuple[State, ...]
    of_b: tuple[State, ...]
    matches: tuple[tuple[int, int, float], ...]


def diff_detections(image: str, a: Detections, b: Detections) -> DetectionDiff:
    """Compare the detections of two models on an image.

    Args:
        image: Name of the image.
        a: Of the reference.
        b: Of the other model.

    Returns:
        What changed.
    """
    states = detection_states(a, b)
    return DetectionDiff(
        image,
        lost=tuple(_in_words(a, i) for i, state in enumerate(states.of_a) if state == "lost"),
        gained=tuple(_in_words(b, j) for j, state in enumerate(states.of_b) if state == "gained"),
        moved=tuple(_in_words(b, j, iou) for _, j, iou in states.matches if states.of_b[j] == "moved"),
        kept=sum(state == "kept" for state in states.of_b),
    )


def detection_states(a: Detections, b: Detections) -> DetectionStates:
    """Match the detections of two models on an image and say what became of each.

    Args:
        a: Of the reference.
        b: Of the other model.

    Returns:
        The state of each detection, and the matches.
    """
    of_a, of_b = as_image_detections(a), as_image_detections(b)
    matches = match_detections(of_a, of_b, of_a.scores >= SHOWN, of_b.scores >= SHOWN)
    close = tuple((i, j, iou) for i, j, iou in matches if iou >= MATCH_IOU)
    states_a: list[State] = ["lost" if score >= CONFIDENT else "faint" for score in of_a.scores]
    states_b: list[State] = ["gained" if score >= CONFIDENT else "faint" for score in of_b.scores]
    for i, j, iou in close:
        is_confident = max(of_a.scores[i], of_b.scores[j]) >= CONFIDENT
        states_a[i] = states_b[j] = "faint" if not is_confident else "kept" if iou >= MOVED_IOU else "moved"
    return DetectionStates(tuple(states_a), tuple(states_b), close)


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

"""How models are run to be scored: one dataclass for the command line, the bench, the tuner and the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MODEL_ZOO", "PUBLISHED", "EvaluateOptions", "MaskPlacement"]

MaskPlacement = Literal["edgekit", "ultralytics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """Options of `evaluate`; the defaults are those of published mAPs of YOLO models.

    Attributes:
        conf: Score threshold, 0..1.
        iou: Overlap threshold of the NMS, 0..1.
        max_detections: Most detections per image.
        multi_label: Whether a cell may be detected as several classes.
        masks: "edgekit" places masks exactly, "ultralytics" in whole cells as its native masks.
        resamples: Bootstrap draws for the intervals.
        seed: Of the draws.
    """

    conf: float = 0.001
    iou: float = 0.7
    max_detections: int = 300
    multi_label: bool = True
    masks: MaskPlacement = "edgekit"
    resamples: int = 1000
    seed: int = 0


PUBLISHED = EvaluateOptions()
MODEL_ZOO = EvaluateOptions(conf=0.25, multi_label=False)  # what the board vendor's model zoo is scored with

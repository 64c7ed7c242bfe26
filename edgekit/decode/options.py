"""How raw heads are decoded: thresholds and limits."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """`score_threshold` and `iou_threshold` in 0..1.

    `multi_label` lets a cell be several classes at once, as scoring for mAP does.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.7
    max_detections: int = 300
    multi_label: bool = False

    def __post_init__(self) -> None:
        for name, option in (("score_threshold", "--conf"), ("iou_threshold", "--iou")):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}, expected 0..1", hint=f"give {option} a number between 0 and 1")
        if self.max_detections < 1:
            raise ConfigError(f"max_detections is {self.max_detections}, expected 1 or more", hint="300 is usual")

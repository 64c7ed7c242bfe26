"""What ByteTrack can be told: the thresholds of its two stages and the lives of its tracks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.errors import ConfigError
from edgekit.text import shorten

__all__ = ["DEFAULT_LOW_SCORE", "TrackOptions"]

DEFAULT_LOW_SCORE = 0.1
NEW_SCORE_STEP = 0.1  # ByteTrack begins a track only this much above the score of its first stage
MAX_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """Thresholds of the tracker; scores and costs are in 0..1.

    Attributes:
        high_score: Detections of this score or more are matched first, and they alone begin tracks.
        low_score: Detections above it, but below `high_score`, continue tracks in the second stage.
        new_score: What a detection must score to begin a track; by default `high_score` + 0.1.
        max_cost: The highest cost of a match in the first stage, where a cost is 1 - IoU * score.
        lost_frames: How many frames after its last detection a track may still be found again.
        confirm_frames: In how many frames in a row an object must be detected before its track gets an id. With
            1 or 2, objects in the first frame get theirs at once, as in ByteTrack.
        class_aware: Whether a track only continues with detections of its own class.
    """

    high_score: float = 0.25
    low_score: float = DEFAULT_LOW_SCORE
    new_score: float | None = None
    max_cost: float = 0.8
    lost_frames: int = 30
    confirm_frames: int = 2
    class_aware: bool = False

    def __post_init__(self) -> None:
        for name in ("high_score", "low_score", "max_cost", "new_score"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                raise ConfigError(f"{name} is {shorten(value)}, expected 0..1", hint=f"choose another {name}")
        for name, least in (("lost_frames", 0), ("confirm_frames", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_FRAMES:
                raise ConfigError(
                    f"{name} is {shorten(value)}, expected an integer from {least} to {MAX_FRAMES}",
                    hint=f"choose another {name}",
                )

    @property
    def begin_score(self) -> float:
        """The score that begins a track."""
        if self.new_score is not None:
            return self.new_score
        above = self.high_score + NEW_SCORE_STEP
        return above if above <= 1 else self.high_score

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return {**asdict(self), "new_score": self.begin_score}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

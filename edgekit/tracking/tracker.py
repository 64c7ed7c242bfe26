"""Tracking of a whole run: results in, results with track ids and the events at lines and zones out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError
from edgekit.results import NO_TRACK, Detections
from edgekit.text import shorten
from edgekit.tracking.bytetrack import update
from edgekit.tracking.counting import CountState, Event, check_shapes, count
from edgekit.tracking.motion import MotionReference, estimate_motion, motion_reference
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.shapes import Shape
from edgekit.tracking.state import TrackerState

__all__ = ["Tracker", "track"]


def track(
    state: TrackerState,
    results: Detections,
    options: TrackOptions,
    *,
    camera: npt.NDArray[np.float64] | None = None,
    frames: int = 1,
    show_score: float = 0.0,
) -> tuple[TrackerState, Detections]:
    """Track the objects of one frame.

    Args:
        state: What the frame before left.
        results: The frame's objects, down to `options.low_score`, whatever else belongs to them: masks, key points.
        options: The thresholds.
        camera: (2, 3), how the image moved since the frame before; None for a still camera.
        frames: How many frames have passed since the state's.
        show_score: Objects without a track that score less are left out.

    Returns:
        The next state, and the objects with their `track_ids`, in the order in which they came. Frames of another
        size than those before begin new tracks.
    """
    if results.size_wh != state.size_wh:
        state = state.restarted(results.size_wh)
    state, ids = update(
        state, results.boxes_xyxy, results.scores, results.class_ids, options, camera=camera, frames=frames
    )
    shown = np.flatnonzero((ids != NO_TRACK) | (results.scores >= show_score))
    return state, replace(results, track_ids=ids).take(shown)


@dataclass(slots=True)
class Tracker:
    """What a run tracks with; `update` takes every frame in order.

    Attributes:
        options: The thresholds of the tracker.
        shapes: Lines and zones to count at.
        anchor: Which point of a box is the object, of `counting.ANCHORS`.
        settle: Detections in a row that a crossing takes to count.
        camera_motion: Whether the camera moves: its motion is then measured and taken out.
        show_score: Objects without a track that score less are left out.
        state: What the tracks are.
        counts: What has been counted.
    """

    options: TrackOptions = field(default_factory=TrackOptions)
    shapes: Sequence[Shape] = ()
    anchor: str = "bottom"
    settle: int = 1
    camera_motion: bool = False
    show_score: float = 0.25
    state: TrackerState = field(default_factory=TrackerState.start)
    counts: CountState = field(default_factory=CountState)
    _reference: MotionReference | None = None
    _number: int = -1

    def __post_init__(self) -> None:
        check_shapes(self.shapes)

    def update(
        self, results: Detections, bgr: npt.NDArray[np.uint8], number: int | None = None
    ) -> tuple[Detections, list[Event]]:
        """Track one frame's objects and count them.

        Args:
            results: The frame's objects, down to `options.low_score`.
            bgr: (h, w, 3) uint8, the frame.
            number: The frame's number in its source, for sources that drop frames; by default the next.

        Returns:
            The objects with their track ids, and what happened at lines and zones.
        """
        number = self._number + 1 if number is None else number
        frames, self._number = max(1, number - self._number), number
        camera = estimate_motion(self._reference, bgr) if self.camera_motion else None
        if results.size_wh != self.state.size_wh:
            self.counts = self.counts.forgotten()
        self.state, tracked = track(
            self.state, results, self.options, camera=camera, frames=frames, show_score=self.show_score
        )
        if self.camera_motion:
            self._reference = motion_reference(bgr, tracked.boxes_xyxy)
        if not self.shapes:
            return tracked, []
        living = self.state.tracks.track_ids
        self.counts, events = count(self.counts, self.shapes, tracked, living, anchor=self.anchor, settle=self.settle)
        return tracked, events

    def to_json(self) -> dict[str, Any]:
        """Return tracks and counts as plain JSON values."""
        return {"tracker": self.state.to_json(), "counts": self.counts.to_json(), "frame_number": self._number}

    def restore(self, value: object, location: str, *, continues: bool) -> None:
        """Go on from what `to_json` gave.

        Args:
            value: The parsed JSON.
            location: What it is, for messages.
            continues: Whether the next frame is the one after it, as in a video; after a pause of unknown length the
                tracks have ended, and only the counts and the numbers of the tracks go on.

        Raises:
            DataError: Where it is not that.
        """
        if not isinstance(value, dict):
            raise DataError(f"{location} is {shorten(value)}, expected a JSON object", hint="remove it to start afresh")
        state = TrackerState.from_json(value.get("tracker"), f"{location}: tracker")
        counts = CountState.from_json(value.get("counts"), f"{location}: counts")
        number = value.get("frame_number")
        if isinstance(number, bool) or not isinstance(number, int) or number < -1:
            raise DataError(
                f"{location}: frame_number is {shorten(number)}, expected -1 or more", hint="correct it there"
            )
        self.state = state if continues else state.restarted((0, 0))
        self.counts = counts if continues else counts.forgotten()
        self._number = number if continues else -1

"""Multi-object tracking: ByteTrack, camera motion, and counts over lines and zones, as functions on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.tracking.options import TrackOptions
    from edgekit.tracking.shapes import Line, Zone
    from edgekit.tracking.state import TrackerState
    from edgekit.tracking.tracker import Tracker, track

__all__ = ["Line", "TrackOptions", "Tracker", "TrackerState", "Zone", "track"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Line": "edgekit.tracking.shapes",
        "TrackOptions": "edgekit.tracking.options",
        "Tracker": "edgekit.tracking.tracker",
        "TrackerState": "edgekit.tracking.state",
        "Zone": "edgekit.tracking.shapes",
        "track": "edgekit.tracking.tracker",
    },
)

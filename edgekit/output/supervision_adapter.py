"""Lines and zones as the types of the `supervision` library, where that is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.results.frame import import_library
from edgekit.tracking.shapes import Line, Shape, scaled

__all__ = ["shape_to_supervision"]


def shape_to_supervision(shape: Shape, size_wh: tuple[int, int]) -> Any:
    """Convert a line or zone that edgekit counts at.

    Args:
        shape: A line, or a zone.
        size_wh: The size of the frames.

    Returns:
        `supervision.LineZone` or `supervision.PolygonZone`, which look at the middle of a box's lower edge, as
        edgekit does by default.

    Raises:
        DeviceError: supervision is not installed.
    """
    supervision = import_library("supervision")
    points = scaled(shape, size_wh)
    anchors = [supervision.Position.BOTTOM_CENTER]
    if isinstance(shape, Line):
        start, end = (supervision.Point(float(x), float(y)) for x, y in points)
        return supervision.LineZone(start, end, triggering_anchors=anchors)
    return supervision.PolygonZone(np.rint(points).astype(int), triggering_anchors=anchors)

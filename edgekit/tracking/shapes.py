"""Lines and zones that tracked objects are counted at: their geometry, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.text import shorten

__all__ = ["Line", "Shape", "Zone", "inside", "parse_line", "parse_zone", "scaled", "side_of"]

MAX_CORNERS = 100
MAX_NAME = 60
NUMBER = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,6})?%?")

Points = npt.NDArray[np.float64]
PointXY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that objects cross, from `start_xy` to `end_xy`.

    Whoever crosses it to the left of somebody who walks from start to end, as seen on the screen, crosses it "in",
    the others "out": over a line drawn from left to right, upwards is in.

    Attributes:
        name: What it is called in events and images.
        start_xy: Where it begins, in pixels; in shares of width and height where `relative`.
        end_xy: Where it ends.
        relative: Whether the coordinates are shares of the image's size.
    """

    name: str
    start_xy: PointXY
    end_xy: PointXY
    relative: bool = False

    def __post_init__(self) -> None:
        if self.start_xy == self.end_xy:
            raise ConfigError(
                f"line {self.name!r} begins and ends at {self.start_xy}, expected two points",
                hint="give it another end",
            )

    @property
    def points(self) -> tuple[PointXY, ...]:
        """Start and end."""
        return (self.start_xy, self.end_xy)


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon that objects enter and leave.

    Attributes:
        name: What it is called in events and images.
        polygon_xy: Its corners in order, in pixels; in shares of width and height where `relative`.
        relative: Whether the coordinates are shares of the image's size.
    """

    name: str
    polygon_xy: tuple[PointXY, ...]
    relative: bool = False

    def __post_init__(self) -> None:
        if not 3 <= len(self.polygon_xy) <= MAX_CORNERS:
            raise ConfigError(
                f"zone {self.name!r} has {len(self.polygon_xy)} corners, expected 3 to {MAX_CORNERS}",
                hint="give its corners as x,y,x,y,x,y",
            )

    @property
    def points(self) -> tuple[PointXY, ...]:
        """The corners."""
        return self.polygon_xy


Shape = Line | Zone


def parse_line(text: str) -> Line:
    """Read NAME=X1,Y1,X2,Y2; numbers are pixels, or all of them percent of the image's width and height.

    Raises:
        ConfigError: Where the text is not that.
    """
    name, points, relative = _parse(text, "line", "NAME=X1,Y1,X2,Y2")
    if len(points) != 2:
        raise _unreadable(text, "line", "NAME=X1,Y1,X2,Y2")
    return Line(name, points[0], points[1], relative)


def parse_zone(text: str) -> Zone:
    """Read NAME=X1,Y1,X2,Y2,X3,Y3,...; numbers are pixels, or all of them percent of width and height.

    Raises:
        ConfigError: Where the text is not that.
    """
    name, points, relative = _parse(text, "zone", "NAME=X1,Y1,X2,Y2,X3,Y3,...")
    return Zone(name, points, relative)


def scaled(shape: Shape, size_wh: tuple[int, int]) -> Points:
    """Return the points (k, 2) of a shape in pixels of an image of `size_wh`."""
    points = np.asarray(shape.points, np.float64)
    return points * size_wh if shape.relative else points


def side_of(points_xy: Points, line_xy: Points) -> npt.NDArray[np.int8]:
    """Return on which side (n,) of the endless line through `line_xy` (2, 2) the points (n, 2) lie.

    1 is to the left of the way from its start to its end, -1 to the right, 0 on it.
    """
    (x, y), (dx, dy) = line_xy[0], line_xy[1] - line_xy[0]
    return np.sign(dy * (points_xy[:, 0] - x) - dx * (points_xy[:, 1] - y)).astype(np.int8)


def inside(points_xy: Points, polygon_xy: Points) -> npt.NDArray[np.bool_]:
    """Return whether each of the points (n, 2) lies in the polygon (k, 2), by the even-odd rule."""
    x, y = points_xy[:, :1], points_xy[:, 1:]
    a, b = polygon_xy, np.roll(polygon_xy, -1, axis=0)
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    heights = b[:, 1] - a[:, 1]
    slopes = (b[:, 0] - a[:, 0]) / np.where(heights == 0, 1, heights)
    crossings = spans & (x < a[:, 0] + (y - a[:, 1]) * slopes)
    return np.asarray(crossings.sum(axis=1) % 2 == 1, np.bool_)


def _parse(text: str, kind: str, form: str) -> tuple[str, tuple[PointXY, ...], bool]:
    name, equals, numbers = text.rpartition("=")
    parts = [part.strip() for part in numbers.split(",")]
    readable = equals and name.isprintable() and 0 < len(name.strip()) <= MAX_NAME
    if not readable or len(parts) % 2 or not all(NUMBER.fullmatch(part) for part in parts):
        raise _unreadable(text, kind, form)
    percent = {part.endswith("%") for part in parts}
    if len(percent) > 1:
        raise ConfigError(
            f"{kind} {shorten(text)} mixes pixels and percent, expected one of them",
            hint="write all numbers with %, or none",
        )
    values = [float(part.rstrip("%")) / (100 if part.endswith("%") else 1) for part in parts]
    return name.strip(), as_points(values), percent == {True}


def as_points(values: Sequence[float]) -> tuple[PointXY, ...]:
    """Return x, y, x, y, ... as points."""
    return tuple(zip(values[::2], values[1::2], strict=True))


def _unreadable(text: str, kind: str, form: str) -> ConfigError:
    return ConfigError(
        f"{kind} {shorten(text)} is not understood, expected {form} in pixels or percent",
        hint=f"for example --{kind} door=10%,50%,90%,50%" + (",50%,90%" if kind == "zone" else ""),
    )

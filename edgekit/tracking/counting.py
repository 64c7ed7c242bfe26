"""Tracked objects counted where they cross lines, and where they enter and leave zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError, DataError
from edgekit.results import NO_TRACK, Detections
from edgekit.text import check_integer, check_number, shorten
from edgekit.tracking.shapes import Line, Points, Shape, inside, scaled, side_of

__all__ = ["ANCHORS", "CountState", "Event", "anchor_points", "check_shapes", "count"]

ANCHORS = ("bottom", "centre")  # the middle of a box's lower edge, where what stands on a floor stands; its centre
IN, OUT, ENTER, LEAVE = "in", "out", "enter", "leave"
MAX_PIXELS = 1e9
MAX_ID = 2**53


@dataclass(frozen=True, slots=True)
class Event:
    """An object at a shape: it crossed a line "in" or "out", it did "enter" or "leave" a zone.

    Attributes:
        shape: The name of the line or zone.
        kind: "line" or "zone".
        direction: "in", "out", "enter" or "leave".
        track_id: The object's track.
        name: The name of its class.
        point_xy: Where it was, in pixels; for what is gone, where it was last.
        vanished: Whether a track that ended in a zone is what left it.
    """

    shape: str
    kind: str
    direction: str
    track_id: int
    name: str
    point_xy: tuple[float, float]
    vanished: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain JSON values."""
        event: dict[str, Any] = {
            "event": self.kind,
            self.kind: self.shape,
            "direction": self.direction,
            "track_id": self.track_id,
            "name": self.name,
            "xy": [round(v, 1) for v in self.point_xy],
        }
        return {**event, "vanished": True} if self.vanished else event


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a track stands at a shape.

    Attributes:
        side: On a line the side that it was last settled on, 1 or -1; in a zone 1 inside and -1 outside.
        pending: How many detections in a row it has had on the other side.
        point_xy: Where it was last detected on its side.
        name: The class of its newest detection.
    """

    side: int
    pending: int
    point_xy: tuple[float, float]
    name: str


@dataclass(frozen=True, slots=True)
class CountState:
    """What is known at every shape; frozen, and the same again after a way through JSON.

    Attributes:
        sightings: Shape name -> track id -> where it stands.
        totals: Shape name -> class name -> direction -> how many.
    """

    sightings: Mapping[str, Mapping[int, Sighting]] = field(default_factory=dict)
    totals: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    def total(self, shape: str, direction: str) -> int:
        """Return how many objects of all classes went in this direction."""
        return sum(by_direction.get(direction, 0) for by_direction in self.totals.get(shape, {}).values())

    def forgotten(self) -> CountState:
        """Return the totals without any track, for a run that begins with new ones."""
        return CountState({}, self.totals)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values; `from_json` gives the same state."""
        sightings = {
            shape: [
                {"track_id": i, "side": s.side, "pending": s.pending, "xy": list(s.point_xy), "name": s.name}
                for i, s in tracks.items()
            ]
            for shape, tracks in self.sightings.items()
        }
        return {"totals": {s: {c: dict(d) for c, d in t.items()} for s, t in self.totals.items()}, "at": sightings}

    @classmethod
    def from_json(cls, value: object, location: str = "count state") -> CountState:
        """Read a state that `to_json` gave.

        Raises:
            DataError: Where a field is missing or not what it should be, by name.
        """
        data = _mapping(value, location)
        totals = {
            shape: {
                name: {
                    d: check_integer(n, f"{location}: {shape} {d}", low=0, high=MAX_ID) for d, n in _items(v, location)
                }
                for name, v in _items(by_class, location)
            }
            for shape, by_class in _items(data.get("totals"), f"{location}: totals")
        }
        sightings = {
            shape: dict(_sighting_from_json(row, f"{location}: {shape}") for row in _list(rows, f"{location}: {shape}"))
            for shape, rows in _items(data.get("at"), f"{location}: at")
        }
        return cls(sightings, totals)


def check_shapes(shapes: Sequence[Shape]) -> None:
    """Raise ConfigError where two shapes have one name."""
    names = [shape.name for shape in shapes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two lines or zones are called {twice!r}, expected a name for each", hint="rename one")


def anchor_points(boxes_xyxy: npt.NDArray[np.float32], anchor: str) -> Points:
    """Return the point (n, 2) of every box that decides where the object is; `anchor` is one of ANCHORS."""
    boxes = boxes_xyxy.astype(np.float64)
    y = boxes[:, 3] if anchor == "bottom" else (boxes[:, 1] + boxes[:, 3]) / 2
    return np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, y])


def count(
    state: CountState,
    shapes: Sequence[Shape],
    tracked: Detections,
    living_ids: npt.NDArray[np.int64],
    *,
    anchor: str = "bottom",
    settle: int = 1,
) -> tuple[CountState, list[Event]]:
    """Count the objects of one frame.

    Args:
        state: What the frame before left; `CountState()` at first.
        shapes: Lines and zones, each under a name of its own.
        tracked: The frame's objects with their track ids.
        living_ids: (k,) int64; every track that may still be detected again: the others have left all zones.
        anchor: Which point of a box is the object, of ANCHORS.
        settle: In how many detections in a row an object must be on the new side of a line, or in a zone or out of
            it, to be counted: more than 1 for boxes that shake.

    Returns:
        The next state, and the events of this frame in the order of the shapes.

    A line counts an object whose way, from where it last stood on one side to where it stands on the other, cuts
    the line itself: going around its end counts nothing. A zone counts an object that first appears within as
    entering, and one whose track ends within as leaving, so that entered - left is who is inside.
    """
    ids = np.full(len(tracked), NO_TRACK, np.int64) if tracked.track_ids is None else tracked.track_ids
    rows = np.flatnonzero(ids != NO_TRACK)
    points = anchor_points(tracked.boxes_xyxy, anchor)[rows]
    objects = [
        (int(ids[row]), (float(x), float(y)), tracked.names[tracked.class_ids[row]])
        for row, (x, y) in zip(rows, points, strict=True)
    ]
    living = set(living_ids.tolist()) | {track_id for track_id, *_ in objects}
    sightings, events = {}, []
    for shape in shapes:
        corners = scaled(shape, tracked.size_wh)
        before = state.sightings.get(shape.name, {})
        after, new = _at_shape(shape, corners, points, objects, before, settle)
        gone = {} if isinstance(shape, Line) else {i: s for i, s in before.items() if i not in living and s.side > 0}
        new += [Event(shape.name, "zone", LEAVE, i, s.name, s.point_xy, True) for i, s in gone.items()]
        sightings[shape.name] = {i: s for i, s in {**before, **after}.items() if i in living}
        events += new
    return CountState(sightings, _added(state.totals, events)), events


def _at_shape(
    shape: Shape,
    corners: Points,
    points: Points,
    objects: list[tuple[int, tuple[float, float], str]],
    before: Mapping[int, Sighting],
    settle: int,
) -> tuple[dict[int, Sighting], list[Event]]:
    """Return where each object now stands at one shape, and what that means."""
    is_line = isinstance(shape, Line)
    sides = side_of(points, corners) if is_line else np.where(inside(points, corners), 1, -1)
    after, events = {}, []
    for side, (track_id, point, name) in zip(sides.tolist(), objects, strict=True):
        last = before.get(track_id)
        if last is None:
            if side == 0:
                continue
            if is_line or side < 0:
                after[track_id] = Sighting(side, 0, point, name)
                continue
            last = Sighting(-1, 0, point, name)  # what appears within has entered
        if side in (0, last.side):
            after[track_id] = Sighting(last.side, 0, point if side else last.point_xy, name)
            continue
        if last.pending + 1 < settle:
            after[track_id] = replace(last, pending=last.pending + 1, name=name)
            continue
        after[track_id] = Sighting(side, 0, point, name)
        if not is_line:
            events.append(Event(shape.name, "zone", ENTER if side > 0 else LEAVE, track_id, name, point))
        elif _cuts(last.point_xy, point, corners):
            events.append(Event(shape.name, "line", IN if side > 0 else OUT, track_id, name, point))
    return after, events


def _cuts(start: tuple[float, float], end: tuple[float, float], line_xy: Points) -> bool:
    """Return whether the way from `start` to `end`, on two sides of the line, passes between its ends."""
    at_ends = side_of(line_xy, np.array([start, end], np.float64))
    return int(at_ends[0]) != int(at_ends[1])


def _added(
    totals: Mapping[str, Mapping[str, Mapping[str, int]]], events: Sequence[Event]
) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    if not events:
        return totals
    added = {shape: {name: dict(counts) for name, counts in classes.items()} for shape, classes in totals.items()}
    for event in events:
        counts = added.setdefault(event.shape, {}).setdefault(event.name, {})
        counts[event.direction] = counts.get(event.direction, 0) + 1
    return added


def _sighting_from_json(value: object, location: str) -> tuple[int, Sighting]:
    data = _mapping(value, location)
    side = check_integer(data.get("side"), f"{location}: side", low=-1, high=1)
    xy = _list(data.get("xy"), f"{location}: xy")
    if not side or len(xy) != 2 or not isinstance(data.get("name"), str):
        raise DataError(f"{location} is {shorten(value)}, expected side, xy and name", hint=f"correct {location}")
    x, y = (check_number(v, f"{location}: xy", low=-MAX_PIXELS, high=MAX_PIXELS) for v in xy)
    pending = check_integer(data.get("pending"), f"{location}: pending", low=0)
    track_id = check_integer(data.get("track_id"), f"{location}: track_id", low=1, high=MAX_ID)
    return track_id, Sighting(side, pending, (x, y), str(data["name"]))


def _items(value: object, location: str) -> list[tuple[str, Any]]:
    return [(str(key), entry) for key, entry in _mapping(value, location).items()]


def _mapping(value: object, location: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{location} is {shorten(value)}, expected a JSON object", hint=f"correct {location}")
    return value


def _list(value: object, location: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{location} is {shorten(value)}, expected a list", hint=f"correct {location}")
    return value

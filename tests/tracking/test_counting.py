"""Counts over lines and zones: by hand, beside supervision's LineZone, and over a way through JSON."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ConfigError, DataError
from edgekit.results import NO_TRACK, Detections
from edgekit.tracking.bytetrack import update
from edgekit.tracking.counting import CountState, Event, anchor_points, check_shapes, count
from edgekit.tracking.shapes import Line, Shape, Zone
from edgekit.tracking.state import TrackerState
from tests.tracking.scenes import HEIGHT, WIDTH, crossing_scene

GATE = Line("gate", (0, 100), (200, 100))
YARD = Zone("yard", ((50, 50), (150, 50), (150, 150), (50, 150)))


def at(*points: tuple[float, float] | None, ids: tuple[int, ...] | None = None) -> Detections:
    """Objects whose lower edge's middle stands on the points, with ids 1, 2, ...; None is not detected."""
    rows = [(i, p) for i, p in enumerate(points, start=1) if p is not None]
    boxes = np.array([[x - 5, y - 20, x + 5, y] for _, (x, y) in rows], np.float32).reshape(-1, 4)
    numbers = np.array(ids if ids is not None else [i for i, _ in rows], np.int64)
    scores, classes = np.ones(len(rows), np.float32), (numbers % 2).astype(np.int32)
    return Detections(boxes, scores, classes, ("dog", "cat"), (200, 200), "bpu", track_ids=numbers)


def counted(
    shape: Shape, frames: list[Detections], *, settle: int = 1, living: tuple[int, ...] = (1, 2, 3)
) -> list[str]:
    state, events = CountState(), []
    for frame in frames:
        state, new = count(state, [shape], frame, np.array(living), settle=settle)
        events += [f"{e.direction} {e.track_id} {e.name}" for e in new]
    return events


def test_a_line_is_crossed_both_ways() -> None:
    way = [at((100, y), (120, 190)) for y in (150, 120, 99, 80, 101, 102)]
    assert counted(GATE, way) == ["in 1 cat", "out 1 cat"]
    assert counted(Line("gate", (200, 100), (0, 100)), way) == ["out 1 cat", "in 1 cat"]


def test_going_around_the_end_of_a_line_counts_nothing() -> None:
    fence = Line("fence", (60, 100), (140, 100))
    around = [at(p) for p in ((100, 150), (10, 120), (10, 80), (100, 50))]
    assert counted(fence, around) == []
    assert counted(fence, [*around, at((100, 150))]) == ["out 1 cat"]


def test_a_jump_over_the_line_between_two_detections_counts() -> None:
    assert counted(GATE, [at((100, 150)), at(None), at(None), at((120, 40))]) == ["in 1 cat"]


def test_who_stands_on_the_line_has_not_crossed_it() -> None:
    assert counted(GATE, [at((50, 100)), at((50, 90)), at((50, 100)), at((50, 80))]) == []
    assert counted(GATE, [at((50, 110)), at((50, 100)), at((50, 100)), at((50, 80))]) == ["in 1 cat"]


def test_shaking_boxes_settle_first() -> None:
    shaking = [at((100, 100 + d)) for d in (5, -2, 3, -1, 2, -4, -8, -9, -20)]
    assert counted(GATE, shaking) == ["in 1 cat", "out 1 cat"] * 2 + ["in 1 cat"]
    assert counted(GATE, shaking, settle=3) == ["in 1 cat"]


def test_a_zone_is_entered_and_left() -> None:
    way = [at((10, 100), (100, 100)), at((60, 100), (100, 100)), at((100, 100), (10, 10)), at((170, 100), (10, 10))]
    assert counted(YARD, way) == ["enter 2 dog", "enter 1 cat", "leave 2 dog", "leave 1 cat"]


def test_who_vanishes_within_a_zone_leaves_it_when_its_track_ends() -> None:
    state, events = count(CountState(), [YARD], at((100, 100), (120, 100)), np.array([1, 2]))
    state, events = count(state, [YARD], at(None, (120, 100)), np.array([1, 2]))
    assert events == []
    state, events = count(state, [YARD], at(None, (130, 100)), np.array([2]))
    assert events == [Event("yard", "zone", "leave", 1, "cat", (100, 100), vanished=True)]
    assert events[0].to_dict() == {
        "event": "zone",
        "zone": "yard",
        "direction": "leave",
        "track_id": 1,
        "name": "cat",
        "xy": [100.0, 100.0],
        "vanished": True,
    }
    assert (state.total("yard", "enter"), state.total("yard", "leave")) == (2, 1)
    assert state.totals == {"yard": {"cat": {"enter": 1, "leave": 1}, "dog": {"enter": 1}}}


def test_objects_without_track_count_nowhere() -> None:
    assert counted(YARD, [at((100, 100), ids=(NO_TRACK,))]) == []


def test_shares_of_the_image() -> None:
    middle = Line("middle", (0, 0.5), (1, 0.5), relative=True)
    assert counted(middle, [at((100, 150)), at((100, 90))]) == ["in 1 cat"]


def test_anchors() -> None:
    box = np.array([[10, 20, 30, 60]], np.float32)
    assert anchor_points(box, "bottom").tolist() == [[20, 60]]
    assert anchor_points(box, "centre").tolist() == [[20, 40]]


def test_names_are_for_one_shape_each() -> None:
    check_shapes([GATE, YARD])
    with pytest.raises(ConfigError, match="two lines or zones are called 'gate'"):
        check_shapes([GATE, Line("gate", (0, 0), (1, 1))])


def line_zone(supervision: Any, start: tuple[float, float], end: tuple[float, float]) -> Any:
    """Supervision's line, which here remembers an object for as long as its track lives."""

    class Remembering(supervision.LineZone):  # type: ignore[misc]
        def _evict_stale_crossing_history(self, current_keys: set[int]) -> None:
            pass

    points = supervision.Point(*start), supervision.Point(*end)
    return Remembering(*points, triggering_anchors=[supervision.Position.BOTTOM_CENTER])


@pytest.mark.parametrize("seed", range(6))
def test_lines_count_what_supervision_counts(seed: int) -> None:
    """On lines through the whole image; around shorter ones, supervision counts within limits across their ends."""
    supervision = pytest.importorskip("supervision")
    ends = [((-200, 260), (WIDTH + 200, 300)), ((500, -200), (430, HEIGHT + 200))]
    lines = [Line(str(k), *points) for k, points in enumerate(ends)]
    zones = [line_zone(supervision, *points) for points in ends]
    state, counts = TrackerState.start(), CountState()
    for frame in crossing_scene(seed, count=8, frames=200):
        state, ids = update(state, frame.boxes_xyxy, frame.scores, frame.class_ids)
        names = ("a", "b", "c")
        found = Detections(
            frame.boxes_xyxy, frame.scores, frame.class_ids, names, (WIDTH, HEIGHT), "bpu", track_ids=ids
        )
        counts, _ = count(counts, lines, found, state.tracks.track_ids)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for zone in zones:
                zone.trigger(found.to_supervision())
    expected = [(zone.in_count, zone.out_count) for zone in zones]
    assert [(counts.total(n, "in"), counts.total(n, "out")) for n in ("0", "1")] == expected
    assert sum(map(sum, expected)) > 5


def test_zones_hold_who_entered_and_has_not_left() -> None:
    state, counts = TrackerState.start(), CountState()
    zone = Zone("z", ((200, 100), (700, 100), (700, 450), (200, 450)))
    for frame in crossing_scene(3, count=10, frames=150):
        state, ids = update(state, frame.boxes_xyxy, frame.scores, frame.class_ids)
        found = Detections(
            frame.boxes_xyxy, frame.scores, frame.class_ids, ("a", "b", "c"), (WIDTH, HEIGHT), "bpu", track_ids=ids
        )
        counts = CountState.from_json(json.loads(json.dumps(counts.to_json())))
        counts, _ = count(counts, [zone], found, state.tracks.track_ids)
        within = sum(s.side > 0 for s in counts.sightings["z"].values())
        assert counts.total("z", "enter") - counts.total("z", "leave") == within
    assert counts.total("z", "leave") > 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a JSON object"),
        ({"totals": {"a": {"b": {"in": -1}}}, "at": {}}, "a in is -1"),
        ({"totals": {}, "at": {"a": {}}}, "expected a list"),
        ({"totals": {}, "at": {"a": [{"side": 0}]}}, "expected"),
        ({"totals": {}, "at": {"a": [{"track_id": 1, "side": 1, "pending": 0, "xy": [1, 1e99], "name": ""}]}}, "xy is"),
    ],
)
def test_states_that_are_none_are_refused(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CountState.from_json(value)

"""ByteTrack on generated scenes, beside the implementation of the supervision library."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from edgekit.results import NO_TRACK
from edgekit.tracking.bytetrack import update
from edgekit.tracking.kalman import to_xyxy
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.state import LOST, TRACKED, TrackerState
from tests.tracking.scenes import Detector, SceneFrame, crossing_scene

BOX = np.array([[100, 100, 160, 220]], np.float32)


def frame_of(boxes: np.ndarray, *, score: float = 0.9, class_id: int = 0) -> tuple[Any, Any, Any]:
    count = len(boxes)
    return boxes.astype(np.float32), np.full(count, score, np.float32), np.full(count, class_id, np.int32)


def follow(frames: list[tuple[Any, Any, Any]], options: TrackOptions | None = None) -> list[list[int]]:
    state, ids = TrackerState.start(), []
    for frame in frames:
        state, found = update(state, *frame, options or TrackOptions())
        ids.append(found.tolist())
    return ids


def tracked_boxes(state: TrackerState) -> dict[int, np.ndarray]:
    boxes, tracks = to_xyxy(state.tracks.kalman), state.tracks
    return {int(tracks.track_ids[row]): boxes[row] for row in np.flatnonzero(tracks.status == TRACKED)}


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.slow if seed % 4 else ()) for seed in range(12)])
def test_tracks_are_those_of_supervision(seed: int) -> None:
    """Every track's box in every frame; supervision numbers tracks of one frame in the order of a Python set."""
    supervision = pytest.importorskip("supervision")
    if not hasattr(supervision, "ByteTrack"):
        pytest.skip("this supervision has no ByteTrack")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = supervision.ByteTrack()
    state, renamed = TrackerState.start(), {}
    for frame in crossing_scene(seed, count=4 + seed):
        state, _ = update(state, frame.boxes_xyxy, frame.scores, frame.class_ids)
        expected = oracle.update_with_tensors(np.hstack([frame.boxes_xyxy, frame.scores[:, None]]))
        actual = tracked_boxes(state)
        assert len(actual) == len(expected)
        for track in expected:
            row = min(actual, key=lambda number: float(np.abs(actual[number] - track.tlbr).max()))
            np.testing.assert_allclose(actual[row], track.tlbr, atol=0.05)  # supervision computes in float32
            assert renamed.setdefault(track.external_track_id, row) == row
    assert len(set(renamed.values())) == len(renamed) > 3


def test_ids_begin_at_once_in_the_first_frame_and_one_later_after() -> None:
    two = np.concatenate([BOX, BOX + 300])
    assert follow([frame_of(BOX), frame_of(two), frame_of(two)]) == [[1], [1, NO_TRACK], [1, 2]]
    assert follow([frame_of(BOX)] * 3, TrackOptions(confirm_frames=3)) == [[NO_TRACK], [NO_TRACK], [1]]
    assert follow([frame_of(BOX), frame_of(two)], TrackOptions(confirm_frames=1)) == [[1], [1, 2]]


def test_a_lost_track_is_found_again_where_it_was_going() -> None:
    moving = [frame_of(BOX + np.array([6, 0, 6, 0], np.float32) * step) for step in range(30)]
    nothing = frame_of(np.zeros((0, 4)))
    hidden = [*moving[:12], *[nothing] * 8, *moving[20:]]
    assert {i for ids in follow(hidden) for i in ids} == {1}
    assert follow(hidden, TrackOptions(lost_frames=5))[-1] == [2]


def test_low_scores_continue_tracks_and_begin_none() -> None:
    high, low, lower = frame_of(BOX), frame_of(BOX, score=0.15), frame_of(BOX, score=0.05)
    assert follow([high, low, low, high]) == [[1], [1], [1], [1]]
    assert follow([low, low, low]) == [[NO_TRACK]] * 3
    assert follow([high, lower, high]) == [[1], [NO_TRACK], [1]]


def test_classes_part_tracks_only_when_asked() -> None:
    frames = [frame_of(BOX), frame_of(BOX, class_id=1), frame_of(BOX, class_id=1)]
    assert follow(frames) == [[1], [1], [1]]
    assert follow(frames, TrackOptions(class_aware=True)) == [[1], [NO_TRACK], [2]]


def test_dropped_frames_are_predicted_over() -> None:
    step = np.array([12, 0, 12, 0], np.float32)
    state = TrackerState.start()
    for number in range(10):
        state, _ = update(state, *frame_of(BOX + step * number))
    later, ids = update(state, *frame_of(BOX + step * 14), frames=5)
    assert (ids.tolist(), later.frame) == ([1], 15)
    _, ids = update(state, *frame_of(BOX + step * 14))  # as if nothing had been dropped: too far away
    assert ids.tolist() == [NO_TRACK]


def test_a_moved_camera_moves_the_tracks() -> None:
    state = TrackerState.start()
    for _ in range(4):
        state, _ = update(state, *frame_of(BOX))
    shift = np.array([[1, 0, 150], [0, 1, -40]], np.float64)
    moved = frame_of(BOX + np.array([150, -40, 150, -40], np.float32))
    assert update(state, *moved, camera=shift)[1].tolist() == [1]
    assert update(state, *moved)[1].tolist() == [NO_TRACK]


def test_boxes_without_area_or_number_are_no_tracks() -> None:
    odd = np.array([[np.nan, 0, 10, 10], [5, 5, 5, 9], [9, 9, 5, 5], [0, 0, np.inf, 10], [50, 50, 90, 90]], np.float32)
    assert follow([frame_of(odd)] * 2) == [[NO_TRACK] * 4 + [1]] * 2
    assert follow([frame_of(np.zeros((0, 4)))] * 2) == [[], []]


def test_a_state_in_the_middle_goes_on_after_json_as_if_nothing_had_been() -> None:
    scene = crossing_scene(5, count=10, detector=Detector(missed=0.1))
    state, straight = TrackerState.start(), []
    for number, frame in enumerate(scene):
        if number % 7 == 3:
            state = TrackerState.from_json(json.loads(json.dumps(state.to_json())))
        state, ids = update(state, frame.boxes_xyxy, frame.scores, frame.class_ids)
        straight.append(ids.tolist())
    assert straight == follow([columns(frame) for frame in scene])
    assert LOST in state.tracks.status


def columns(frame: SceneFrame) -> tuple[Any, Any, Any]:
    return frame.boxes_xyxy, frame.scores, frame.class_ids

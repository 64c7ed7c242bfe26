from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgekit.errors import ConfigError, DataError
from edgekit.ops.letterbox import letterbox_of
from edgekit.ops.masks import instance_masks
from edgekit.results import NO_TRACK, Detections, Poses, Segmentations
from edgekit.spec import Preprocess
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.shapes import Line, Zone
from edgekit.tracking.tracker import Tracker
from tests.tracking.scenes import HEIGHT, WIDTH, SceneFrame, crossing_scene
from tests.tracking.test_motion import moved, textured

IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def results_of(frame: SceneFrame) -> Detections:
    names = ("a", "b", "c")
    return Detections(frame.boxes_xyxy, frame.scores, frame.class_ids, names, (WIDTH, HEIGHT), "bpu")


def one(x: float, *, score: float = 0.9, size_wh: tuple[int, int] = (WIDTH, HEIGHT)) -> Detections:
    box = np.array([[x, 100, x + 40, 180]], np.float32)
    return Detections(box, np.array([score], np.float32), np.zeros(1, np.int32), ("cat",), size_wh, "bpu")


def test_a_run_broken_off_anywhere_goes_on_with_the_same_ids_and_counts() -> None:
    scene = crossing_scene(1, count=9, frames=100)
    shapes = (Line("l", (0.5, 0), (0.5, 1), True), Zone("z", ((0, 0), (400, 0), (400, 400))))
    straight = Tracker(shapes=shapes)
    expected = [straight.update(results_of(frame), IMAGE) for frame in scene]
    broken, events = Tracker(shapes=shapes), 0
    for number, (frame, (rows, happened)) in enumerate(zip(scene, expected, strict=True)):
        if number % 9 == 4:
            saved = json.loads(json.dumps(broken.to_json()))
            broken = Tracker(shapes=shapes)
            broken.restore(saved, "saved", continues=True)
        tracked, found = broken.update(results_of(frame), IMAGE)
        np.testing.assert_array_equal(tracked.track_ids, rows.track_ids)
        assert found == happened
        events += len(found)
    assert broken.to_json() == straight.to_json()
    assert events > 4


def test_after_a_pause_of_unknown_length_numbers_and_totals_go_on() -> None:
    line = Line("l", (300, 0), (300, 500))
    first = Tracker(shapes=[line])
    for x in range(200, 350, 12):
        first.update(one(x), IMAGE)
    later = Tracker(shapes=[line])
    later.restore(json.loads(json.dumps(first.to_json())), "saved", continues=False)
    tracked, _ = later.update(one(340), IMAGE)
    assert tracked.track_ids is not None and tracked.track_ids.tolist() == [2]
    assert later.counts.total("l", "in") + later.counts.total("l", "out") == 1


def test_frames_of_another_size_begin_new_tracks_and_give_no_id_twice() -> None:
    tracker, ids = Tracker(), []
    for size_wh in ((WIDTH, HEIGHT), (WIDTH, HEIGHT), (500, 400), (WIDTH, HEIGHT)):
        tracked, _ = tracker.update(one(100, size_wh=size_wh), IMAGE)
        ids.append(tracked.to_dict()["objects"][0]["track_id"])
    assert ids == [1, 1, 2, 3]


def test_low_scores_are_kept_with_a_track_only() -> None:
    tracker = Tracker(show_score=0.25)
    tracker.update(one(100), IMAGE)
    tracked, _ = tracker.update(one(101, score=0.15), IMAGE)
    assert [o["track_id"] for o in tracked.to_dict()["objects"]] == [1]
    assert len(tracker.update(one(700, score=0.15), IMAGE)[0]) == 0
    tracked, _ = tracker.update(one(700, score=0.3), IMAGE)  # too low to begin a track, high enough to be shown
    assert tracked.track_ids is not None and tracked.track_ids.tolist() == [NO_TRACK]


def test_masks_and_key_points_go_along() -> None:
    plain = results_of(crossing_scene(2, count=6)[40])
    plain = replace(plain, scores=np.linspace(0.05, 0.95, len(plain)).astype(np.float32))
    columns = (plain.boxes_xyxy, plain.scores, plain.class_ids, plain.names, plain.size_wh, plain.device)
    points = np.arange(len(plain) * 4, dtype=np.float32).reshape(-1, 2, 2)
    tracked, _ = Tracker().update(Poses(*columns, points, points[..., 0] * 0), IMAGE)
    kept = plain.scores >= 0.25
    assert isinstance(tracked, Poses)
    np.testing.assert_array_equal(tracked.keypoints_xy, points[kept])
    letterbox = letterbox_of(plain.size_wh, Preprocess(320, 320))
    masks = instance_masks(
        np.ones((len(plain), 1), np.float32),
        np.ones((80, 80, 1), np.float32),
        letterbox.apply_boxes(plain.boxes_xyxy),
        plain.boxes_xyxy,
        letterbox,
    )
    both, _ = Tracker().update(Segmentations(*columns, masks), IMAGE)
    assert isinstance(both, Segmentations) and 0 < len(both.masks) == len(both) < len(plain)
    assert both.masks[0].sum() == masks[int(np.flatnonzero(kept)[0])].sum()


def test_camera_motion_keeps_what_a_jerk_would_lose() -> None:
    image, still, steady = textured(size_wh=(WIDTH, HEIGHT)), Tracker(), Tracker(camera_motion=True)
    shift = np.array([[1, 0, 40], [0, 1, 0]], float)
    frames = [(image, one(300)), (image, one(300)), (moved(image, shift), one(340))]
    ids = [[t.update(r, bgr)[0].to_dict()["objects"][0]["track_id"] for bgr, r in frames] for t in (still, steady)]
    assert ids == [[1, 1, None], [1, 1, 1]]


def test_dropped_frames_count_as_passed() -> None:
    tracker = Tracker(options=TrackOptions(lost_frames=10))
    tracker.update(one(100), IMAGE, 0)
    tracked, _ = tracker.update(one(100), IMAGE, 12)
    assert tracked.track_ids is not None and tracked.track_ids.tolist() == [NO_TRACK]


def test_mistakes_are_two_lines() -> None:
    with pytest.raises(ConfigError, match="are called 'l'"):
        Tracker(shapes=[Line("l", (0, 0), (1, 1)), Line("l", (0, 0), (1, 2))])
    good = Tracker().to_json()
    for value, message in (
        ([], "expected a JSON object"),
        ({**good, "tracker": None}, "tracker is no document of this edgekit"),
        ({**good, "counts": {}}, "totals is None"),
        ({**good, "frame_number": True}, "frame_number is True"),
    ):
        with pytest.raises(DataError, match=message):
            Tracker().restore(value, "x", continues=True)

"""MOTA and IDF1 of the tracker on generated scenes with known truth, beside supervision's, by motmetrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgekit.ops.boxes import box_iou
from edgekit.tracking.bytetrack import update
from edgekit.tracking.kalman import to_xyxy
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.state import TRACKED, TrackerState
from tests.tracking.scenes import Detector, SceneFrame, crossing_scene

pytestmark = pytest.mark.slow

Follow = Callable[[SceneFrame], tuple[np.ndarray, np.ndarray]]  # a frame to boxes (k, 4) and ids (k,)
SCENES = range(8)
HARD = Detector(jitter=0.04, missed=0.1, invented=0.5)


def ours(options: TrackOptions) -> Follow:
    state = TrackerState.start()

    def follow(frame: SceneFrame) -> tuple[np.ndarray, np.ndarray]:
        nonlocal state
        state, _ = update(state, frame.boxes_xyxy, frame.scores, frame.class_ids, options)
        rows = np.flatnonzero(state.tracks.status == TRACKED)
        return to_xyxy(state.tracks.kalman)[rows], state.tracks.track_ids[rows]

    return follow


def supervisions() -> Follow:
    supervision = pytest.importorskip("supervision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracker = supervision.ByteTrack()

    def follow(frame: SceneFrame) -> tuple[np.ndarray, np.ndarray]:
        tracks = tracker.update_with_tensors(np.hstack([frame.boxes_xyxy, frame.scores[:, None]]))
        boxes = np.array([track.tlbr for track in tracks], np.float32).reshape(-1, 4)
        return boxes, np.array([track.external_track_id for track in tracks], np.int64)

    return follow


def per_frame(frame: SceneFrame) -> tuple[np.ndarray, np.ndarray]:
    """No tracker: the number is the detection's row."""
    return frame.boxes_xyxy, np.arange(len(frame.scores))


def scores(motmetrics: Any, make: Callable[[], Follow], detector: Detector) -> dict[str, float]:
    """MOTA, IDF1 and identity switches over all scenes; objects that are almost hidden are no truth."""
    accumulators = []
    for seed in SCENES:
        follow, accumulator = make(), motmetrics.MOTAccumulator(auto_id=True)
        for frame in crossing_scene(seed, count=10, frames=200, detector=detector):
            boxes, ids = follow(frame)
            distances = 1 - box_iou(frame.true_boxes, boxes).astype(float)  # motmetrics' own needs numpy 1
            distances[distances > 0.5] = np.nan
            accumulator.update(frame.true_ids.tolist(), ids.tolist(), distances)
        accumulators.append(accumulator)
    metrics = motmetrics.metrics.create()
    table = metrics.compute_many(accumulators, metrics=["mota", "idf1", "num_switches"], generate_overall=True)
    return {name: float(table.loc["OVERALL", name]) for name in ("mota", "idf1", "num_switches")}


@pytest.mark.parametrize("detector", [Detector(), HARD], ids=["good", "poor"])
def test_scores_are_those_of_supervision_and_far_above_none(detector: Detector) -> None:
    motmetrics = pytest.importorskip("motmetrics")
    rows = {
        "edgekit": scores(motmetrics, lambda: ours(TrackOptions()), detector),
        "supervision": scores(motmetrics, supervisions, detector),
        "no tracker": scores(motmetrics, lambda: per_frame, detector),
    }
    for name, row in rows.items():
        print(f"{name:12} MOTA {row['mota']:.4f}  IDF1 {row['idf1']:.4f}  switches {row['num_switches']:.0f}")
    for metric in ("mota", "idf1"):
        assert rows["edgekit"][metric] == pytest.approx(rows["supervision"][metric], abs=0.005)
    assert rows["edgekit"]["idf1"] > rows["no tracker"]["idf1"] + 0.3
    assert rows["edgekit"]["num_switches"] < rows["no tracker"]["num_switches"] / 10

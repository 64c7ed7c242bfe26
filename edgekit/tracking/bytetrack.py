"""ByteTrack (arXiv 2110.06864) as a function: a state and a frame's detections give the next state and their ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgekit.ops.boxes import box_iou
from edgekit.results import NO_TRACK
from edgekit.tracking.assignment import match
from edgekit.tracking.kalman import HEIGHT, KalmanState, correct, initiate, measurements, predict, to_xyxy, transform
from edgekit.tracking.options import TrackOptions
from edgekit.tracking.state import LOST, TENTATIVE, TRACKED, TrackerState, Tracks

__all__ = ["update"]

LOW_MAX_COST = 0.5  # second stage, 1 - IoU: what scores little must fit well
TENTATIVE_MAX_COST = 0.7  # 1 - IoU * score, of tracks that began in the frame before
DUPLICATE_IOU = 0.85  # a lost and a living track that overlap more are one object
DEFAULT_OPTIONS = TrackOptions()
OTHER_CLASS = 2.0  # a cost above every limit

Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


def update(
    state: TrackerState,
    boxes_xyxy: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int32],
    options: TrackOptions = DEFAULT_OPTIONS,
    *,
    camera: npt.NDArray[np.float64] | None = None,
    frames: int = 1,
) -> tuple[TrackerState, npt.NDArray[np.int64]]:
    """Track the objects of one frame.

    Args:
        state: What the frame before left; `TrackerState.start()` at first.
        boxes_xyxy: (n, 4) float32, pixels; boxes that are not finite or have no area belong to no track.
        scores: (n,) float32 in 0..1, down to `options.low_score`: low ones continue tracks.
        class_ids: (n,) int32.
        options: The thresholds.
        camera: (2, 3), how the image moved since the frame before (`motion.estimate_motion`); None for a still one.
        frames: How many frames have passed since the state's, more than 1 where some were dropped.

    Returns:
        The next state, and the track id (n,) int64 of every detection, NO_TRACK where it has none.
    """
    frame = state.frame + frames
    tracks = _predicted(_living(state.tracks, frame, options), frames, camera)
    usable = _usable(boxes_xyxy)
    high = np.flatnonzero(usable & (scores >= options.high_score))
    low = np.flatnonzero(usable & (scores > options.low_score) & (scores < options.high_score))
    detections = _associate(tracks, boxes_xyxy, scores, class_ids, high, low, options)
    continued, detections = _continued(tracks, detections, boxes_xyxy, class_ids, frame, options)
    free = np.setdiff1d(high, detections)
    begun = free[scores[free] >= options.begin_score]
    tracks = continued.joined(_begun(boxes_xyxy[begun], class_ids[begun], frame))
    detections = np.concatenate([detections, begun])
    tracks, next_id = _confirmed(tracks, state, frame, options)
    kept = _without_duplicates(tracks, options)
    tracks, detections = tracks.take(kept), detections[kept]
    ids = np.full(len(scores), NO_TRACK, np.int64)
    shown = tracks.status == TRACKED
    ids[detections[shown]] = tracks.track_ids[shown]
    return TrackerState(tracks, frame, next_id, state.size_wh), ids


def _living(tracks: Tracks, frame: int, options: TrackOptions) -> Tracks:
    """Leave out what has not been detected for too long."""
    return tracks.take(np.flatnonzero(frame - tracks.last_frames <= max(options.lost_frames, 1)))


def _predicted(tracks: Tracks, frames: int, camera: npt.NDArray[np.float64] | None) -> Tracks:
    """Move every track to where it is expected now; tentative ones stay, as in the published code."""
    kalman = tracks.kalman
    moving = tracks.status != TENTATIVE
    lost = tracks.status == LOST
    for _ in range(frames if len(tracks) else 0):
        velocities = kalman.velocities.copy()
        velocities[lost, HEIGHT] = 0  # nobody sees it grow
        ahead = predict(KalmanState(kalman.means, velocities, kalman.covariances))
        kalman = KalmanState(
            np.where(moving[:, None], ahead.means, kalman.means),
            velocities,
            np.where(moving[:, None, None], ahead.covariances, kalman.covariances),
        )
    return replace(tracks, kalman=kalman if camera is None else transform(kalman, camera))


def _usable(boxes_xyxy: npt.NDArray[np.float32]) -> Flags:
    finite = np.isfinite(boxes_xyxy).all(axis=1)
    return np.asarray(finite & (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1), np.bool_)


def _associate(
    tracks: Tracks,
    boxes_xyxy: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int32],
    high: Indices,
    low: Indices,
    options: TrackOptions,
) -> Indices:
    """Return the detection (n,) of every track, -1 for none, in ByteTrack's three matches.

    Tracks with an id against high scores; those of them that were not lost, and found none, against low scores;
    tentative tracks against the high scores that are left.
    """
    detections = np.full(len(tracks), -1, np.intp)
    predicted = to_xyxy(tracks.kalman)

    def pair(rows: Indices, columns: Indices, max_cost: float, *, fuse_score: bool) -> None:
        if not len(rows) or not len(columns):
            return
        overlaps = box_iou(predicted[rows], boxes_xyxy[columns])
        costs = 1 - (overlaps * scores[columns] if fuse_score else overlaps)
        if options.class_aware:
            costs[tracks.class_ids[rows][:, None] != class_ids[columns]] = OTHER_CLASS
        i, j = match(costs, max_cost=max_cost)
        detections[rows[i]] = columns[j]

    pair(np.flatnonzero(tracks.status != TENTATIVE), high, options.max_cost, fuse_score=True)
    unmatched = (detections < 0) & (tracks.status == TRACKED)
    pair(np.flatnonzero(unmatched), low, LOW_MAX_COST, fuse_score=False)
    left = np.setdiff1d(high, detections)
    pair(np.flatnonzero(tracks.status == TENTATIVE), left, TENTATIVE_MAX_COST, fuse_score=True)
    return detections


def _continued(
    tracks: Tracks,
    detections: Indices,
    boxes_xyxy: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int32],
    frame: int,
    options: TrackOptions,
) -> tuple[Tracks, Indices]:
    """Correct the tracks that found a detection; the others are lost, and tentative ones end.

    Returns:
        The tracks that go on, and the detection of each.
    """
    kept = np.flatnonzero((detections >= 0) | (tracks.status != TENTATIVE))
    tracks, detections = tracks.take(kept), detections[kept]
    matched = np.flatnonzero(detections >= 0)
    boxes = boxes_xyxy[detections[matched]]
    corrected = correct(tracks.kalman.take(matched), measurements(boxes))
    kalman = KalmanState(tracks.kalman.means.copy(), tracks.kalman.velocities.copy(), tracks.kalman.covariances.copy())
    kalman.means[matched], kalman.velocities[matched] = corrected.means, corrected.velocities
    kalman.covariances[matched] = corrected.covariances
    hits = np.where(detections >= 0, tracks.hits + 1, 0)
    tentative = (tracks.status == TENTATIVE) & (hits < options.confirm_frames)
    status = np.where(detections < 0, LOST, np.where(tentative, TENTATIVE, TRACKED))
    last_frames, classes = tracks.last_frames.copy(), tracks.class_ids.copy()
    last_frames[matched], classes[matched] = frame, class_ids[detections[matched]]
    return (
        replace(tracks, kalman=kalman, status=status, hits=hits, last_frames=last_frames, class_ids=classes),
        detections,
    )


def _begun(boxes_xyxy: npt.NDArray[np.float32], class_ids: npt.NDArray[np.int32], frame: int) -> Tracks:
    """Begin a tentative track from each detection."""
    count = len(class_ids)
    frames = np.full(count, frame, np.int64)
    nothing, once = np.zeros(count, np.int64), np.ones(count, np.int64)
    kalman = initiate(measurements(boxes_xyxy))
    return Tracks(kalman, nothing, nothing + TENTATIVE, once, frames, frames, class_ids.astype(np.int64))


def _confirmed(tracks: Tracks, state: TrackerState, frame: int, options: TrackOptions) -> tuple[Tracks, int]:
    """Give ids, in the order of the rows, to the tracks that have earned one.

    Returns:
        The tracks, and the next id.
    """
    at_once = options.confirm_frames == 1 or (state.frame == 0 and options.confirm_frames == 2)
    status = np.where(at_once & (tracks.status == TENTATIVE), TRACKED, tracks.status)
    new = np.flatnonzero((status != TENTATIVE) & (tracks.track_ids == 0))
    track_ids = tracks.track_ids.copy()
    track_ids[new] = np.arange(state.next_id, state.next_id + len(new))
    return replace(tracks, status=status, track_ids=track_ids), state.next_id + len(new)


def _without_duplicates(tracks: Tracks, options: TrackOptions) -> Indices:
    """Return the rows that stay: of a lost and a living track in one place the one that was followed for longer."""
    living, lost = np.flatnonzero(tracks.status != LOST), np.flatnonzero(tracks.status == LOST)
    kept = np.ones(len(tracks), np.bool_)
    if len(living) and len(lost):
        boxes = to_xyxy(tracks.kalman)
        same = box_iou(boxes[living], boxes[lost]) > DUPLICATE_IOU
        if options.class_aware:
            same &= tracks.class_ids[living][:, None] == tracks.class_ids[lost]
        i, j = np.nonzero(same)
        ages = tracks.last_frames - tracks.first_frames
        older = ages[living[i]] > ages[lost[j]]
        kept[np.where(older, lost[j], living[i])] = False
    return np.flatnonzero(kept)

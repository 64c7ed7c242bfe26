"""What the tracker knows between two frames: frozen, and the same again after a way through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import DataError
from edgekit.records import check_envelope, envelope
from edgekit.text import check_integer, check_number, shorten
from edgekit.tracking.kalman import HEIGHT, KalmanState

__all__ = ["LOST", "TENTATIVE", "TRACKED", "TrackerState", "Tracks", "no_tracks"]

TENTATIVE, TRACKED, LOST = 0, 1, 2  # begun but without an id; detected in the newest frame; missing since
STATUS_NAMES = ("tentative", "tracked", "lost")
KIND = "tracks"
HINT = "start again without it"
MAX_COUNT = 2**53  # beyond it a JSON number is no longer exact everywhere
MAX_TRACKS = 100_000
MAX_PIXELS = 1e9

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tracks:
    """n tracks, a row each, the oldest first.

    Attributes:
        kalman: The estimated boxes and velocities of the n tracks.
        track_ids: (n,) int64; from 1, never given twice; 0 while a track is tentative.
        status: (n,) int64; TENTATIVE, TRACKED or LOST.
        hits: (n,) int64; frames in a row with a detection.
        first_frames: (n,) int64; the frame of the first detection.
        last_frames: (n,) int64; the frame of the newest detection.
        class_ids: (n,) int64; the class of the newest detection.
    """

    kalman: KalmanState
    track_ids: Integers
    status: Integers
    hits: Integers
    first_frames: Integers
    last_frames: Integers
    class_ids: Integers

    def __len__(self) -> int:
        return len(self.track_ids)

    def take(self, index: npt.NDArray[np.intp]) -> Tracks:
        """Return the rows at `index` (k,), in that order."""
        return Tracks(self.kalman.take(index), *(getattr(self, name)[index] for name in COLUMNS))

    def joined(self, others: Tracks) -> Tracks:
        """Return these tracks and behind them the others."""
        a, b = self.kalman, others.kalman
        kalman = KalmanState(
            np.concatenate([a.means, b.means]),
            np.concatenate([a.velocities, b.velocities]),
            np.concatenate([a.covariances, b.covariances]),
        )
        return Tracks(kalman, *(np.concatenate([getattr(self, name), getattr(others, name)]) for name in COLUMNS))


COLUMNS = tuple(field.name for field in fields(Tracks) if field.name != "kalman")


def no_tracks() -> Tracks:
    """Return a table of no tracks."""
    kalman = KalmanState(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 3, 4)))
    return Tracks(kalman, *(np.zeros(0, np.int64) for _ in COLUMNS))


@dataclass(frozen=True, slots=True, eq=False)
class TrackerState:
    """Everything that the next frame's tracking depends on.

    Attributes:
        tracks: The tracks that may still continue.
        frame: The number of frames so far, since the tracks began.
        next_id: The id of the next track that gets one.
        size_wh: The size of the frames that the boxes are in, (0, 0) before the first.
    """

    tracks: Tracks
    frame: int = 0
    next_id: int = 1
    size_wh: tuple[int, int] = (0, 0)

    @classmethod
    def start(cls) -> TrackerState:
        """Return the state before the first frame."""
        return cls(no_tracks())

    def restarted(self, size_wh: tuple[int, int]) -> TrackerState:
        """Return a state without tracks for frames of another size; no id is given a second time."""
        return TrackerState(no_tracks(), 0, self.next_id, size_wh)

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values; `from_json` gives the same state, to the last bit."""
        return {
            **envelope(KIND),
            "frame": self.frame,
            "next_id": self.next_id,
            "size_wh": list(self.size_wh),
            "tracks": [_row_to_json(self.tracks, row) for row in range(len(self.tracks))],
        }

    @classmethod
    def from_json(cls, value: object, location: str = "tracker state") -> TrackerState:
        """Read a state that `to_json` gave.

        Args:
            value: The parsed JSON.
            location: What it is, for messages: a path, say.

        Raises:
            DataError: Where a field is missing, of another type or out of range, by name.
        """
        data = check_envelope(value, KIND, location, error=DataError, hint=HINT)
        frame = check_integer(data.get("frame"), f"{location}: frame", low=0, high=MAX_COUNT)
        next_id = check_integer(data.get("next_id"), f"{location}: next_id", low=1, high=MAX_COUNT)
        width, height = (
            check_integer(side, f"{location}: size_wh", low=0)
            for side in _list(data.get("size_wh"), f"{location}: size_wh", 2)
        )
        rows = data.get("tracks")
        if not isinstance(rows, list) or len(rows) > MAX_TRACKS:
            raise _unexpected(f"{location}: tracks", rows, f"a list of at most {MAX_TRACKS} tracks")
        tracks = _rows_from_json(rows, location, frame, next_id)
        return cls(tracks, frame, next_id, (width, height))


def _row_to_json(tracks: Tracks, row: int) -> dict[str, Any]:
    kalman = tracks.kalman
    return {
        **{_key(name): int(getattr(tracks, name)[row]) for name in COLUMNS},
        "status": STATUS_NAMES[tracks.status[row]],
        "mean": kalman.means[row].tolist(),
        "velocity": kalman.velocities[row].tolist(),
        "covariance": kalman.covariances[row].tolist(),
    }


def _rows_from_json(rows: list[Any], location: str, frame: int, next_id: int) -> Tracks:
    read = [_row_from_json(row, f"{location}: tracks[{number}]", frame, next_id) for number, row in enumerate(rows)]
    ids = [columns["track_ids"] for columns, *_ in read if columns["track_ids"]]
    if len(set(ids)) < len(ids):
        repeated = next(i for i in ids if ids.count(i) > 1)
        raise DataError(f"{location}: track_id {repeated} appears twice", hint=f"correct {location} there")
    means, velocities, covariances = ([row[k] for row in read] for k in (1, 2, 3))
    count = len(read)
    kalman = KalmanState(
        np.array(means, np.float64).reshape(count, 4),
        np.array(velocities, np.float64).reshape(count, 4),
        np.array(covariances, np.float64).reshape(count, 3, 4),
    )
    return Tracks(kalman, *(np.array([row[0][name] for row in read], np.int64) for name in COLUMNS))


def _row_from_json(value: object, location: str, frame: int, next_id: int) -> tuple[dict[str, int], Any, Any, Any]:
    row = _mapping(value, location)
    status = row.get("status")
    if status not in STATUS_NAMES:
        raise _unexpected(f"{location}: status", status, "one of " + ", ".join(STATUS_NAMES))
    tentative = status == STATUS_NAMES[TENTATIVE]
    limits = {
        "track_ids": (0, 0) if tentative else (1, next_id - 1),
        "hits": (0, MAX_COUNT),
        "first_frames": (0, frame),
        "last_frames": (0, frame),
        "class_ids": (0, 2**31 - 1),
    }
    columns = {
        name: check_integer(row.get(_key(name)), f"{location}: {_key(name)}", low=low, high=high)
        for name, (low, high) in limits.items()
    }
    mean, velocity = (_numbers(row.get(key), f"{location}: {key}", low=-MAX_PIXELS) for key in ("mean", "velocity"))
    check_number(mean[HEIGHT], f"{location}: mean: height", low=1e-6, high=MAX_PIXELS)
    parts = _list(row.get("covariance"), f"{location}: covariance", 3)
    covariance = [
        _numbers(part, f"{location}: covariance", low=-(MAX_PIXELS**2) if mixed else 0)
        for part, mixed in zip(parts, (False, True, False), strict=True)
    ]
    return {**columns, "status": STATUS_NAMES.index(str(status))}, mean, velocity, covariance


def _key(column: str) -> str:
    """The name of a column in JSON, where each track is an object of its own: track_ids -> track_id."""
    return {"class_ids": "class_id", "track_ids": "track_id"}.get(column, column.replace("_frames", "_frame"))


def _numbers(value: object, location: str, *, low: float) -> list[float]:
    return [check_number(v, location, low=low, high=MAX_PIXELS**2) for v in _list(value, location, 4)]


def _list(value: object, location: str, length: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise _unexpected(location, value, f"a list of {length}")
    return value


def _mapping(value: object, location: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _unexpected(location, value, "a JSON object")
    return value


def _unexpected(location: str, value: object, expected: str) -> DataError:
    return DataError(f"{location} is {shorten(value)}, expected {expected}", hint=f"correct {location} there")

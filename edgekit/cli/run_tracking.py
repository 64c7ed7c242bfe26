"""`edgekit run --track`: the tracker of a run, its lines and zones, and the state that a later run resumes."""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from edgekit.cli.run_summary import say
from edgekit.files import is_file, write_json
from edgekit.records import check_envelope, envelope

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgekit.output.journal import Journal
    from edgekit.results import Detections
    from edgekit.runtime.pipeline import Done
    from edgekit.runtime.session import Session
    from edgekit.runtime.sources import Source
    from edgekit.tracking.counting import Event
    from edgekit.tracking.tracker import Tracker

STATE_NAME = "run_state.json"
COUNTS_NAME = "counts.json"
STATE_KIND = "run-state"
CHECKPOINT_S = 2.0  # at most so much work of a killed run is done again


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """Add `--track` and what belongs to it."""
    group = parser.add_argument_group("tracking (ByteTrack)")
    group.add_argument("--track", action="store_true", help="give every object a number that stays its own")
    group.add_argument(
        "--track-low",
        type=float,
        default=0.1,
        metavar="SCORE",
        help="objects down to this score continue tracks, and are then results, too (default: 0.1)",
    )
    group.add_argument(
        "--track-lost", type=int, default=30, metavar="FRAMES", help="how long a lost object keeps it (default: 30)"
    )
    group.add_argument(
        "--track-confirm",
        type=int,
        default=2,
        metavar="FRAMES",
        help="frames in a row in which an object is detected before it gets one (default: 2)",
    )
    group.add_argument("--track-per-class", action="store_true", help="a track never changes its class")
    group.add_argument("--camera-motion", action="store_true", help="the camera moves: measure it and take it out")
    group.add_argument(
        "--line",
        action="append",
        default=[],
        metavar="NAME=X1,Y1,X2,Y2",
        help="count who crosses this line, by class and direction; pixels or percent; may be repeated",
    )
    group.add_argument(
        "--zone",
        action="append",
        default=[],
        metavar="NAME=X1,Y1,X2,Y2,X3,Y3,...",
        help="count who enters and leaves this polygon; may be repeated",
    )
    group.add_argument(
        "--count-settle",
        type=int,
        default=1,
        metavar="FRAMES",
        help="detections in a row beyond a line, or in a zone, that count (default: 1; more for boxes that shake)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on where the run that was killed in this -o folder stopped: a video at its frame and with the same "
        "numbers, a camera with the numbers and counts so far",
    )


def decoding_score(args: argparse.Namespace) -> float:
    """Return the score down to which objects are decoded: the tracker continues tracks with low ones."""
    return min(args.conf, args.track_low) if args.track else float(args.conf)


@dataclass(slots=True)
class RunTracking:
    """The tracker of a run and what it saves.

    Attributes:
        tracker: Tracks and counts.
        source: What the run reads, as it was given.
        live: Whether that is a camera or stream.
        first: The number of the run's first frame in its source, above 0 in a resumed run.
        kept_bytes: How much of the journal that the killed run left counts; None in a new run.
    """

    tracker: Tracker
    source: str
    live: bool
    first: int = 0
    kept_bytes: int | None = None
    _state_path: Path | None = None
    _journal: Journal | None = None
    _frames: int = 0
    _saved_at: float = field(default_factory=time.monotonic)

    def update(self, done: Done) -> tuple[Done, list[Event]]:
        """Return the frame with its objects' track ids, and the events at lines and zones."""
        start = time.perf_counter()
        number = self.first + done.number
        results = cast("Detections", done.results)  # of a model that does not classify
        tracked, events = self.tracker.update(results, done.frame.bgr, number)
        self._frames = number + 1
        times_ms = {**done.times_ms, "track": (time.perf_counter() - start) * 1000}
        return replace(done, results=tracked, times_ms=times_ms, number=number), events

    def draw(self, image: npt.NDArray[np.uint8]) -> None:
        """Draw lines and zones and their counts."""
        if self.tracker.shapes:
            from edgekit.output.draw_counts import draw_counts

            draw_counts(image, self.tracker.shapes, self.tracker.counts)

    def save_to(self, path: Path, journal: Journal | None) -> None:
        """Save the state to `path` from now on, together with how far `journal` is."""
        self._state_path, self._journal = path, journal

    def checkpoint(self, *, now: bool = False) -> None:
        """Save the state where that is due: called after every frame whose results are written."""
        if self._state_path is None or (not now and time.monotonic() - self._saved_at < CHECKPOINT_S):
            return
        state = {
            **envelope(STATE_KIND),
            "source": self.source,
            "live": self.live,
            "frames": self._frames,
            "journal_bytes": self._journal.checkpoint() if self._journal else 0,
            "tracking": self.tracker.to_json(),
        }
        write_json(self._state_path, state)
        self._saved_at = time.monotonic()

    def finish(self) -> None:
        """End a run that went well: a video's state is of no more use, a camera's is for the next run."""
        if self._state_path is None:
            return
        if self.live:
            self._journal = None  # it is complete
            self.checkpoint(now=True)
        else:
            self._state_path.unlink(missing_ok=True)

    def totals(self) -> dict[str, Any]:
        """Return the counts as plain JSON values: shape -> class -> direction -> how many."""
        return {"counts": self.tracker.counts.to_json()["totals"]}

    def summary(self) -> list[str]:
        """Return the lines that end a run: how many tracks there were, and the counts."""
        lines = [f"{self.tracker.state.next_id - 1} tracks"]
        for shape, classes in self.tracker.counts.totals.items():
            parts = [
                f"{count} {name} {direction}"
                for name, directions in sorted(classes.items())
                for direction, count in sorted(directions.items())
            ]
            lines.append(f"{shape}: {', '.join(parts)}")
        return lines


def run_tracking(args: argparse.Namespace, session: Session, source: Source, folder: Path) -> RunTracking | None:
    """Return the tracker that the options ask for, resumed where they say so; None without --track.

    Raises:
        ConfigError: Where the options contradict each other or the model, or there is nothing to resume.
        DataError: Where the saved state is not one.
    """
    from edgekit.decode.tasks import TASKS
    from edgekit.errors import ConfigError
    from edgekit.tracking.options import TrackOptions
    from edgekit.tracking.shapes import Shape, parse_line, parse_zone
    from edgekit.tracking.tracker import Tracker

    if not args.track:
        _require_track(args)
        return None
    if not TASKS[session.spec.task].has_boxes:
        raise ConfigError(
            f"--track is for models that detect objects, and this one's task is {session.spec.task!r}",
            hint="leave it away",
        )
    if args.count_settle < 1:
        raise ConfigError(f"--count-settle is {args.count_settle}, expected 1 or more", hint="1 counts at once")
    options = TrackOptions(
        high_score=args.conf,
        low_score=args.track_low,
        lost_frames=args.track_lost,
        confirm_frames=args.track_confirm,
        class_aware=args.track_per_class,
    )
    shapes: list[Shape] = [*map(parse_line, args.line), *map(parse_zone, args.zone)]
    tracker = Tracker(options, shapes, settle=args.count_settle, camera_motion=args.camera_motion, show_score=args.conf)
    tracking = RunTracking(tracker, str(args.source), source.live)
    if args.resume:
        _resume(tracking, source, folder)
    return tracking


def remaining(source: Source, tracking: RunTracking | None) -> Source:
    """Return the source without the frames that the killed run has finished."""
    if tracking is None or not tracking.first:
        return source
    say(f"note: goes on at frame {tracking.first}; a new video begins there")
    return replace(source, frames=lambda: itertools.islice(source.frames(), tracking.first, None))


def _resume(tracking: RunTracking, source: Source, folder: Path) -> None:
    from edgekit.errors import ConfigError, DataError
    from edgekit.files import read_json
    from edgekit.text import check_integer, shorten

    path = folder / STATE_NAME
    if source.kind == "images":
        raise ConfigError("--resume is for videos and cameras, and this source is images", hint="run it again whole")
    if not is_file(path):
        raise ConfigError(
            f"{folder} holds no {STATE_NAME} of a killed run", hint="give its folder with -o, or leave --resume away"
        )
    state = check_envelope(read_json(path), STATE_KIND, str(path), error=DataError, hint="leave --resume away")
    for name, current in (("source", tracking.source), ("live", tracking.live)):
        if state.get(name) != current:
            raise ConfigError(
                f"{path} is of {name} {shorten(state.get(name))}, expected {current!r}",
                hint="give the same --source, or leave --resume away",
            )
    frames = check_integer(state.get("frames"), f"{path}: frames", low=0)
    kept = check_integer(state.get("journal_bytes"), f"{path}: journal_bytes", low=0, high=2**53)
    tracking.tracker.restore(state.get("tracking"), f"{path}: tracking", continues=not tracking.live)
    if not tracking.live:
        tracking.first, tracking.kept_bytes = frames, kept
    elif kept:  # killed: its rows go on, too
        tracking.kept_bytes = kept


def _require_track(args: argparse.Namespace) -> None:
    from edgekit.errors import ConfigError

    options = {
        "--line": args.line,
        "--zone": args.zone,
        "--camera-motion": args.camera_motion,
        "--resume": args.resume,
        "--track-per-class": args.track_per_class,
    }
    alone = next((name for name, value in options.items() if value), None)
    if alone is not None:
        raise ConfigError(f"{alone} needs tracks, and --track is not given", hint="add --track")

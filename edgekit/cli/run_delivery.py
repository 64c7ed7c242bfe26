"""What becomes of every finished frame of `edgekit run`: tracked, drawn, written, sent."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgekit.cli.run_summary import say

if TYPE_CHECKING:
    from edgekit.cli.run_tracking import RunTracking
    from edgekit.output.draw_times import FrameRate
    from edgekit.output.h264 import VideoEncoder
    from edgekit.output.sending import Sending
    from edgekit.output.sinks import ImageSink, RowSink
    from edgekit.results import Results
    from edgekit.runtime.pipeline import Done
    from edgekit.runtime.recording import Recorder
    from edgekit.tracking.counting import Event


CODECS = ("auto", "h264", "board", "mp4v")


def add_delivery(parser: argparse.ArgumentParser) -> None:
    """Add how videos are encoded, what is drawn besides results, and where messages go."""
    group = parser.add_argument_group("videos and messages")
    group.add_argument(
        "--codec",
        default="auto",
        choices=CODECS,
        help="of annotated videos: h264 by ffmpeg, board: the same by the board's encoder (hobot_vio), mp4v by OpenCV "
        "(default: auto, h264 where ffmpeg is installed)",
    )
    group.add_argument("--draw-times", action="store_true", help="write milliseconds and frames/s on each image")
    group.add_argument("--mqtt", default="", metavar="URL", help="send to mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC")
    group.add_argument("--webhook", default="", metavar="URL", help="send to this address, a POST each")
    group.add_argument(
        "--record",
        action="store_true",
        help="also write each frame and the raw heads to record/, for edgekit replay; ends at 4 GB",
    )
    group.add_argument(
        "--publish",
        choices=("events", "results"),
        help="what is sent: the events at lines and zones, or every frame's results (default: events where there are "
        "lines or zones, else results)",
    )


def chosen_encoder(codec: str) -> VideoEncoder | None:
    """Return what encodes H.264; None for OpenCV's mp4v, which is said where nobody asked for it.

    Raises:
        ConfigError: Where H.264 is required and there is no ffmpeg that encodes it.
        DeviceError: Where the board's encoder is required and this is no board.
    """
    from edgekit.errors import ConfigError
    from edgekit.output.board_video import find_board_encoder
    from edgekit.output.h264 import find_h264

    if codec == "mp4v":
        return None
    if codec == "board":
        return find_board_encoder()
    encoder = find_h264()
    if encoder is None and codec == "h264":
        raise ConfigError(
            "--codec h264 needs ffmpeg with an H.264 encoder, and there is none on PATH",
            hint="install ffmpeg, or leave --codec away",
        )
    if encoder is None:
        say("note: no ffmpeg with an H.264 encoder here, so videos are mp4v, which browsers do not play")
    return encoder


@dataclass(slots=True)
class Delivery:
    """Where the frames go, one after the other, in order.

    Attributes:
        images: What takes annotated images.
        rows: What takes results as JSON values.
        exports: What takes a frame's name and its results.
        masks: How masks stand in the JSON.
        tracking: The run's tracker, if it has one.
        sending: What sends messages, if anything does.
        rate: Measures frames per second, which is then written on the images with the times.
        recorder: Writes frames and heads, if they are recorded.
    """

    images: Sequence[ImageSink]
    rows: Sequence[RowSink]
    exports: Sequence[Callable[[str, Results], None]]
    masks: str
    tracking: RunTracking | None = None
    sending: Sending | None = None
    rate: FrameRate | None = None
    recorder: Recorder | None = None

    def deliver(self, done: Done) -> Done:
        """Hand a frame on to everybody; returns it as it was delivered, with its track ids and times."""
        events: list[Event] = []
        if self.recorder:
            self.recorder.add(done)
            done = replace(done, heads=None)  # large, and of no more use
        if self.tracking:
            done, events = self.tracking.update(done)
        self._draw(done)
        row = self._row(done, events)
        for write in self.rows:
            write(row)
        if self.sending:
            self.sending.send(row, frame=done.frame.name)
        for export in self.exports:
            export(done.frame.name, done.results)
        if self.tracking:
            self.tracking.checkpoint()
        return done

    def _draw(self, done: Done) -> None:
        if not self.images:
            return
        start = time.perf_counter()
        image = done.results.draw(done.frame.bgr)
        if self.tracking:
            self.tracking.draw(image)
        if self.rate:
            from edgekit.output.draw_times import draw_times

            draw_times(image, done.times_ms, self.rate.tick())
        for show in self.images:
            show(done.frame.name, image)
        done.times_ms["draw"] = (time.perf_counter() - start) * 1000

    def _row(self, done: Done, events: Sequence[Event]) -> dict[str, Any]:
        row = {"source": done.frame.name, **done.results.to_dict(masks=self.masks)}
        if self.tracking and self.tracking.tracker.shapes:
            row["events"] = [event.to_dict() for event in events]
        return {**row, "times_ms": {stage: round(value, 3) for stage, value in done.times_ms.items()}}

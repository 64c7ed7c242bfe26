"""Where a robot's frames go: a folder per source, one preview page, messages."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.output.draw_counts import draw_counts
from edgekit.output.draw_times import FrameRate, draw_times
from edgekit.output.folder import RunFolder
from edgekit.output.h264 import VideoEncoder
from edgekit.output.journal import Journal, journal_lines, journal_name
from edgekit.output.names import output_names
from edgekit.output.preview import Preview
from edgekit.output.sending import Sending
from edgekit.output.sinks import VIDEO_NAME, ImageSink, image_sink, video_sink
from edgekit.robot.config import OutputConfig, RobotConfig
from edgekit.robot.frame import RobotFrame
from edgekit.runtime.sources import Source
from edgekit.tracking.tracker import Tracker

__all__ = ["RobotOutputs", "planned_names", "robot_outputs"]

ROWS_NAME = "results.jsonl"


class SourceFolder(RunFolder):
    """A source's part of the run's folder; taken from by one thread per source."""

    def __init__(self, whole: RunFolder, name: str, lock: threading.Lock) -> None:
        self._whole, self._name, self._lock = whole, name, lock
        self.folder = whole.folder / name

    def take(self, name: str) -> Path:
        """Return the path of an output of this source, and note that the run writes it."""
        with self._lock:
            path = self._whole.take(f"{self._name}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            return path


@dataclass(slots=True)
class _Sinks:
    """What takes the frames of one source."""

    rows: Journal
    images: tuple[ImageSink, ...]
    rate: FrameRate = field(default_factory=FrameRate)


@dataclass(frozen=True, slots=True)
class RobotOutputs:
    """Takes every frame of every source: `deliver` is called on the sources' threads."""

    config: OutputConfig
    sinks: Mapping[str, _Sinks]
    sending: Sending
    trackers: Mapping[str, Mapping[str, Tracker]]

    def deliver(self, frame: RobotFrame) -> None:
        """Draw, write and send one frame."""
        sinks = self.sinks[frame.source]
        if sinks.images:
            image = frame.draw()
            for tracker in self.trackers.get(frame.source, {}).values():
                draw_counts(image, tracker.shapes, tracker.counts)
            if self.config.draw_times:
                draw_times(image, frame.times_ms, sinks.rate.tick())
            for show in sinks.images:
                show(frame.frame.name, image)
        row = frame.to_dict(masks=self.config.masks)
        sinks.rows.write(row)
        sinks.rows.checkpoint()  # what a robot wrote until its power went is there
        self.sending.send(row, source=frame.source, frame=frame.frame.name)


def planned_names(config: RobotConfig, sources: Mapping[str, Source]) -> list[str]:
    """Return the outputs that are known before the run, relative to its folder."""
    names = []
    for name, source in sources.items():
        names.append(f"{name}/{ROWS_NAME}")
        if config.output.images:
            images = output_names(source.names)
            names += [f"{name}/{images.image(n)}" for n in source.names] or [f"{name}/{VIDEO_NAME}"]
    return names


@contextlib.contextmanager
def robot_outputs(
    config: RobotConfig,
    sources: Mapping[str, Source],
    folder: RunFolder,
    sending: Sending,
    header: Mapping[str, Any],
    *,
    trackers: Mapping[str, Mapping[str, Tracker]],
    preview: Preview | None = None,
    encoder: VideoEncoder | None = None,
) -> Iterator[RobotOutputs]:
    """Open what takes the frames of every source; their files are complete when the block ends.

    Args:
        config: The configuration.
        sources: The opened sources by name.
        folder: The run's folder; each source has one in it.
        sending: What sends messages.
        header: The first line of every source's JSON lines.
        trackers: Source -> model -> tracker, whose counts are drawn.
        preview: The page that shows an image per source.
        encoder: What encodes videos; None for mp4v.
    """
    lock = threading.Lock()
    with contextlib.ExitStack() as stack:
        sinks = {}
        for name, source in sources.items():
            part = SourceFolder(folder, name, lock)
            part.take(journal_name(ROWS_NAME))
            rows = stack.enter_context(journal_lines(part.take(ROWS_NAME), {**header, "source": name}))
            images: list[ImageSink] = []
            if config.output.images and source.kind == "images":
                images.append(image_sink(part, output_names(source.names)))
            elif config.output.images:
                images.append(stack.enter_context(video_sink(part, fps=source.fps, encoder=encoder)))
            if preview is not None:
                images.append(_shown(preview, name))
            sinks[name] = _Sinks(rows, tuple(images))
        yield RobotOutputs(config.output, sinks, sending, trackers)


def _shown(preview: Preview, title: str) -> Callable[[str, Any], None]:
    return lambda name, image: preview.show(image, title)

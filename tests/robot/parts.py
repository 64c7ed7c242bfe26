"""Models and sources for the tests of robots: computed by hand, failing when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgekit.errors import ImageError
from edgekit.robot.config import RobotConfig, parse_config
from edgekit.robot.frame import RobotFrame
from edgekit.robot.robot import Robot, RobotReport
from edgekit.runtime.recovering_session import RecoveringSession
from edgekit.runtime.sources import Frame, Source
from tests.runtime.live_parts import CountingDevice, session_on

WIDTH, HEIGHT = 96, 64


def engine(**options: Any) -> RecoveringSession:
    """A model whose one object is of the class that the frame's first pixel says."""
    return RecoveringSession(session_on(CountingDevice(**options)))


def frames_of(count: int, *, broken_at: int | None = None, size_hw: tuple[int, int] = (HEIGHT, WIDTH)) -> Source:
    def frames() -> Iterator[Frame]:
        for index in range(count):
            if index == broken_at:
                raise ImageError("the cable is out", hint="plug it in")
            yield Frame(np.full((*size_hw, 3), index % 3, np.uint8), f"frame {index}")

    return Source("video", count, 25.0, frames)


def config_of(tasks: list[dict[str, Any]], *, models: tuple[str, ...] = ("m",), sources: int = 1) -> RobotConfig:
    names = {f"s{k}": f"s{k}.mp4" for k in range(sources)}
    return parse_config({"models": {name: f"{name}.bin" for name in models}, "sources": names, "tasks": tasks}, "test")


def run(
    config: RobotConfig, engines: dict[str, RecoveringSession], sources: dict[str, Source], **options: Any
) -> tuple[RobotReport, dict[str, list[RobotFrame]], list[str]]:
    """The report, each source's frames as they were delivered, and the notes."""
    delivered: dict[str, list[RobotFrame]] = {name: [] for name in sources}
    notes: list[str] = []
    deliver: Callable[[RobotFrame], None] = lambda frame: delivered[frame.source].append(frame)  # noqa: E731
    robot = Robot(config, engines, lambda where: sources[where], deliver=deliver, on_note=notes.append, **options)
    return robot.run(sources), delivered, notes

"""Where a build is, from the compiler's own output: prepare, optimise, calibrate, quantize, compile, pack."""

from __future__ import annotations

import re
import time

from edgekit.progress import Progress

STAGE_LINE = re.compile(
    r"(?P<edge>Start|End) to (?P<verb>prepare|optimize|calibrate|quantize|compile) the (?:onnx )?model"
)
STAGE_NAMES = {"optimize": "optimise"}
CALIBRATION = re.compile(r"calibration in progress:.*?(?P<done>\d+)/(?P<total>\d+) \[")
COMPILE_PERCENT = re.compile(r"^\[[=\- ]{10,}\]\s*(?P<percent>\d+)%")
PACK_LINE = re.compile(r"start convert to \*\.bin file|Start to convert")
FINISHED_LINE = re.compile(r"Convert to runtime bin file success")


class StageWatch:
    """Takes every line of makertbin and reports the stage that it is in; keeps the seconds of each."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._begun = 0.0
        self._seconds: dict[str, float] = {}

    def feed(self, line: str) -> None:
        """Take one line; progress bars count as lines."""
        if match := STAGE_LINE.search(line):
            self._edge(match["edge"], STAGE_NAMES.get(match["verb"], match["verb"]))
        elif match := COMPILE_PERCENT.match(line):
            self._progress("compile", int(match["percent"]), 100)
        elif match := CALIBRATION.search(line):
            self._progress("calibrate", int(match["done"]), int(match["total"]))
        elif PACK_LINE.search(line):
            self._edge("Start", "pack")
        elif FINISHED_LINE.search(line):
            self._edge("End", "pack")

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time per finished stage, in the order in which they ended."""
        return dict(self._seconds)

    def _edge(self, edge: str, stage: str) -> None:
        if edge == "Start":
            self._stage, self._begun = stage, time.monotonic()
            self._progress(stage, 0, 100 if stage == "compile" else 0)
        elif stage == self._stage:
            self._seconds[stage] = round(time.monotonic() - self._begun, 2)
            total = 100 if stage == "compile" else 1
            self._progress(stage, total, total)
            self._stage = ""

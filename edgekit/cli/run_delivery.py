"""What becomes of every finished frame of `edgekit run`: tracked, drawn, written, sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.cli.run_tracking import RunTracking
    from edgekit.output.sinks import ImageSink, RowSink
    from edgekit.results import Results
    from edgekit.runtime.pipeline import Done
    from edgekit.tracking.counting import Event


@dataclass(slots=True)
class Delivery:
    """Where the frames go, one after the other, in order.

    Attributes:
        images: What takes annotated images.
        rows: What takes results as JSON values.
        exports: What takes a frame's name and its results.
        masks: How masks stand in the JSON.
        tracking: The run's tracker, if it has one.
    """

    images: Sequence[ImageSink]
    rows: Sequence[RowSink]
    exports: Sequence[Callable[[str, Results], None]]
    masks: str
    tracking: RunTracking | None = None

    def deliver(self, done: Done) -> Done:
        """Hand a frame on to everybody; returns it as it was delivered, with its track ids and times."""
        events: list[Event] = []
        if self.tracking:
            done, events = self.tracking.update(done)
        self._draw(done)
        row = self._row(done, events)
        for write in self.rows:
            write(row)
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
        for show in self.images:
            show(done.frame.name, image)
        done.times_ms["draw"] = (time.perf_counter() - start) * 1000

    def _row(self, done: Done, events: Sequence[Event]) -> dict[str, Any]:
        row = {"source": done.frame.name, **done.results.to_dict(masks=self.masks)}
        if self.tracking and self.tracking.tracker.shapes:
            row["events"] = [event.to_dict() for event in events]
        return {**row, "times_ms": {stage: round(value, 3) for stage, value in done.times_ms.items()}}

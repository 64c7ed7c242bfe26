"""One finished frame of a source: what every model on it gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.ops.draw import DARK, draw_text
from edgekit.results import Classifications, Detections, Results
from edgekit.results.frame import Image
from edgekit.robot.config import TaskConfig
from edgekit.robot.crops import Crop
from edgekit.runtime.sources import Frame
from edgekit.tracking.counting import Event

__all__ = ["CropResults", "RobotFrame", "TaskResults"]


@dataclass(frozen=True, slots=True)
class CropResults:
    """What a model gave on one crop: objects in pixels of the frame, or what the crop shows."""

    crop: Crop
    results: Results


@dataclass(frozen=True, slots=True)
class TaskResults:
    """What a task gave on one frame: `results` of the whole frame, or `crops` of the boxes of another model."""

    task: TaskConfig
    results: Results | None = None
    crops: tuple[CropResults, ...] = ()


@dataclass(frozen=True, slots=True)
class RobotFrame:
    """A frame with all that is known of it.

    Attributes:
        source: The source's name.
        number: The frame's number in its source.
        frame: The image and its name.
        tasks: What every task that was due on this frame gave, in the order of the configuration.
        events: What happened at lines and zones.
        times_ms: How long each step took.
    """

    source: str
    number: int
    frame: Frame
    tasks: tuple[TaskResults, ...]
    events: tuple[Event, ...] = ()
    times_ms: dict[str, float] = field(default_factory=dict)

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values: a frame's row in its source's JSON lines."""
        height, width = self.frame.bgr.shape[:2]
        models = {entry.task.model: self._task_values(entry, masks) for entry in self.tasks}
        row: dict[str, Any] = {
            "source": self.source,
            "frame": self.frame.name,
            "number": self.number,
            "width": width,
            "height": height,
            "models": models,
        }
        if any(entry.task.shapes for entry in self.tasks):
            row["events"] = [event.to_dict() for event in self.events]
        return {**row, "times_ms": {step: round(value, 3) for step, value in self.times_ms.items()}}

    def draw(self) -> Image:
        """Return a copy of the image with the results of all models on it."""
        image = self.frame.bgr
        drawn = False
        for entry in self.tasks:
            for results in _drawable(entry):
                image, drawn = results.draw(image), True
            for part in entry.crops:
                if isinstance(part.results, Classifications):
                    image, drawn = image if drawn else image.copy(), True
                    class_id, probability = part.results.top(1)[0]
                    text = f"{part.results.names[class_id]} {probability:.2f}"
                    draw_text(image, text, (part.crop.left, part.crop.bottom), DARK)
        return image if drawn else image.copy()

    def _task_values(self, entry: TaskResults, masks: str) -> dict[str, Any]:
        if entry.results is not None:
            return entry.results.to_dict(masks=masks)
        return {
            "crops_of": entry.task.crops_of,
            "crops": [self._crop_values(entry, part, masks) for part in entry.crops],
        }

    def _crop_values(self, entry: TaskResults, part: CropResults, masks: str) -> dict[str, Any]:
        values: dict[str, Any] = {"parent": part.crop.parent, "crop_xyxy": list(part.crop.box_xyxy)}
        parents = next((e.results for e in self.tasks if e.task.model == entry.task.crops_of), None)
        if isinstance(parents, Detections) and parents.track_ids is not None:
            track_id = int(parents.track_ids[part.crop.parent])
            values["track_id"] = track_id if track_id >= 0 else None
        return {**values, **part.results.to_dict(masks=masks)}


def _drawable(entry: TaskResults) -> Sequence[Results]:
    if entry.results is not None:
        return [entry.results]
    return [part.results for part in entry.crops if isinstance(part.results, Detections) and len(part.results)]

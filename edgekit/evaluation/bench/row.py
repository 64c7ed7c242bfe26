"""One row of the table: what was measured of one model, size, device and number of threads, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgekit.device_kinds import FLOAT, SIMULATED, is_float_kind
from edgekit.records import as_list, as_mapping, from_json, unexpected
from edgekit.runtime.perf import Latency
from edgekit.text import check_integer, check_number

OK = "ok"
UNFIT = "unfit"  # the model is not made for this size or device
NO_SCORE = "no mAP"  # the times are there, the score is not
MEMORY = "memory"  # the batch is larger than the memory takes
FAILED = "failed"
STATUSES = (OK, UNFIT, NO_SCORE, MEMORY, FAILED)
LOCATION, STAGES_LOCATION = "the row", "the row.stages"  # what a damaged one is called
OPTIONAL = ("size_mb", "fps", "objects_per_frame", "static_ms", "gflops")
SCORE_FIELDS = ("value", "low", "high", "map50")


@dataclass(frozen=True, slots=True)
class Metric:
    """A score in 0..1 and its 95 % interval over images; None if it is not defined or was not measured."""

    measure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    map50: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one cell, or why not.

    Attributes:
        model: Name of its file.
        file: Its path.
        requested: The device that was requested.
        status: One of `STATUSES`.
        format: What kind of file it is.
        precision: "float32", "float16" or "int8".
        device: Kind of the device that ran it.
        size_wh: Of the model's input.
        threads: That compute one frame, or frames on their way at once.
        batch: Images that go through the model at once; times are per image.
        size_mb: Of the file, in 10^6 bytes.
        layers: Nodes with weights; 0 if the graph is not there.
        parameters: Of them.
        gflops: 2 x multiply-accumulates of an image, in 1e9.
        frames: Timed frames.
        fps: Frames per second.
        objects_per_frame: Detections per timed frame.
        total: Milliseconds of a frame from the image to its boxes.
        stages: Its parts.
        scores: By kind.
        images: That the scores are of.
        error: What failed.
        hint: The way out.
        notes: What else is to know.
    """

    model: str
    file: str
    requested: str
    status: str = OK
    format: str = ""
    precision: str = ""
    device: str = ""
    size_wh: tuple[int, int] | None = None
    threads: int = 0
    batch: int = 1
    size_mb: float | None = None
    layers: int = 0
    parameters: int = 0
    gflops: float | None = None
    static_ms: float | None = None
    frames: int = 0
    fps: float | None = None
    objects_per_frame: float | None = None
    total: Latency | None = None
    stages: Mapping[str, Latency] = field(default_factory=dict)
    scores: Mapping[str, Metric] = field(default_factory=dict)
    images: int = 0
    error: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the times are those of a simulation, which say nothing of a board."""
        return self.device in SIMULATED

    @property
    def device_name(self) -> str:
        """The device as the command line calls it: onnxruntime's providers by their own names."""
        if is_float_kind(self.device):
            return self.device.removeprefix(FLOAT).removeprefix("-") or "cpu"
        return self.device or self.requested

    @property
    def main_score(self) -> Metric | None:
        """The first score: of boxes, or of what the task has instead."""
        return next(iter(self.scores.values()), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {**asdict(self), "simulated": self.simulated}
        return {**values, "size_wh": list(self.size_wh) if self.size_wh else None, "notes": list(self.notes)}


def row_from_dict(value: object) -> Row:
    """Return the row that `to_dict` wrote.

    Args:
        value: The parsed JSON.

    Returns:
        The row, equal to the one that was written.

    Raises:
        DataError, ModelError: Where a field is missing, unknown or of another type than it is written with.
    """
    data = {**as_mapping(value, LOCATION)}
    data.pop("simulated", None)
    size, scores, stages = data.pop("size_wh", None), data.pop("scores", {}), data.pop("stages", {})
    total, optional = data.pop("total", None), {name: data.pop(name, None) for name in OPTIONAL}
    row = from_json(Row, data, LOCATION)
    if row.status not in STATUSES:
        raise unexpected(LOCATION, "status", row.status, f"one of {', '.join(STATUSES)}")
    numbers: dict[str, Any] = {
        k: None if v is None else check_number(v, f"{LOCATION}.{k}") for k, v in optional.items()
    }
    return replace(
        row,
        **numbers,
        size_wh=None if size is None else _size(size),
        total=None if total is None else from_json(Latency, total, f"{LOCATION}.total"),
        stages={
            k: from_json(Latency, v, f"{LOCATION}.stages") for k, v in as_mapping(stages, f"{LOCATION}.stages").items()
        },
        scores={k: _metric(v) for k, v in as_mapping(scores, f"{LOCATION}.scores").items()},
    )


def _number(value: object, location: str) -> float | None:
    return None if value is None else check_number(value, location)


def _size(value: object) -> tuple[int, int]:
    sides = as_list(value, f"{LOCATION}.size_wh")
    if len(sides) != 2:
        raise unexpected(LOCATION, "size_wh", value, "width and height")
    width, height = (check_integer(side, f"{LOCATION}.size_wh", low=1) for side in sides)
    return width, height


def _metric(value: object) -> Metric:
    location = f"{LOCATION}.scores"
    data = as_mapping(value, location)
    measure, numbers = data.get("measure"), {k: v for k, v in data.items() if k != "measure"}
    if not isinstance(measure, str) or "value" not in data or not numbers.keys() <= set(SCORE_FIELDS):
        raise unexpected(location, "metric", dict(data), f"measure and {', '.join(SCORE_FIELDS)}")
    return Metric(measure, **{k: None if v is None else check_number(v, f"{location}.{k}") for k, v in numbers.items()})

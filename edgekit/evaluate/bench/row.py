"""One row of the table: what was measured of one model, size, device and number of threads, or why not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit.runtime.device import FLOAT_KIND, is_float_kind
from edgekit.runtime.perf import Latency
from edgekit.runtime.registry import SIMULATED_KINDS

OK = "ok"
UNFIT = "unfit"  # the model is not made for this size or device
NO_SCORE = "no mAP"  # the times are there, the score is not
FAILED = "failed"
STATUSES = (OK, UNFIT, NO_SCORE, FAILED)


@dataclass(frozen=True, slots=True)
class Figure:
    """A score in 0..1 and its 95 % interval over photos; None where it is not defined or was not asked for."""

    measure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    map50: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`device` is what ran it, `asked` what was asked for; `threads` as `bench.measure` says.

    `total` is the time of a frame from the picture to its boxes and `stages` its parts, in milliseconds; both are
    empty unless it was measured. `size_mb` counts 10^6 bytes. A failed one says `error` and `hint`.
    """

    model: str
    file: str
    asked: str
    status: str = OK
    format: str = ""
    precision: str = ""
    device: str = ""
    size_wh: tuple[int, int] | None = None
    threads: int = 0
    size_mb: float | None = None
    frames: int = 0
    fps: float | None = None
    objects_per_frame: float | None = None
    total: Latency | None = None
    stages: Mapping[str, Latency] = field(default_factory=dict)
    scores: Mapping[str, Figure] = field(default_factory=dict)
    photos: int = 0
    error: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the times are those of a simulation, which say nothing of a board."""
        return self.device in SIMULATED_KINDS

    @property
    def device_name(self) -> str:
        """The device as the command line calls it: onnxruntime's providers by their own names."""
        if is_float_kind(self.device):
            return self.device.removeprefix(FLOAT_KIND).removeprefix("-") or "cpu"
        return self.device or self.asked

    @property
    def main_score(self) -> Figure | None:
        """The first score: of boxes, or of what the task has instead."""
        return next(iter(self.scores.values()), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {**asdict(self), "simulated": self.simulated}
        return {**values, "size_wh": list(self.size_wh) if self.size_wh else None, "notes": list(self.notes)}


def row_from_dict(value: Mapping[str, Any]) -> Row:
    """What `to_dict` gave; raises ValueError, TypeError or KeyError where it is something else."""
    fields = {**value}
    fields.pop("simulated")
    if fields["status"] not in STATUSES:
        raise ValueError(f"status {fields['status']!r}")
    width, height = fields["size_wh"] or (0, 0)
    row = Row(
        **{
            **fields,
            "size_wh": (int(width), int(height)) if fields["size_wh"] else None,
            "total": _latency(fields["total"]) if fields["total"] else None,
            "stages": {str(name): _latency(stage) for name, stage in fields["stages"].items()},
            "scores": {str(kind): Figure(**figure) for kind, figure in fields["scores"].items()},
            "notes": tuple(str(note) for note in fields["notes"]),
        }
    )
    numbers = (row.size_mb, row.fps, row.threads, *(v for f in row.scores.values() for v in (f.value, f.low, f.high)))
    if not all(v is None or (isinstance(v, (int, float)) and math.isfinite(v)) for v in numbers):
        raise ValueError("a figure is no number")
    return row


def _latency(value: Mapping[str, Any]) -> Latency:
    return Latency(**{name: float(number) for name, number in value.items()})

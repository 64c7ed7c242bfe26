"""What a whole run of the bench says: its rows, how they were measured, and what must be known to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.errors import DataError, ModelError
from edgekit.evaluation.bench.row import FAILED, NO_SCORE, OK, UNFIT, Row
from edgekit.evaluation.bench.row import row_from_dict as read_row
from edgekit.records import envelope

KIND = "bench"  # of its schema
SIM_NOTE = "* simulated int8: its ms and frames/s are those of the simulation and say nothing of a board"
NOTHING_MEASURED = 1  # exit codes: 0 all measured, or unfit alone


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What a run of the bench measured.

    Attributes:
        request: What was requested, in plain values: the same request is the same measurement.
        machine: The computer.
        started: Its local time with offset.
        timing_images: What times were taken on, in words.
        rows: One per cell so far.
        total: Number of cells.
        notes: What must be known to read them.
    """

    request: Mapping[str, Any]
    machine: Mapping[str, str | None]
    started: str
    timing_images: str
    rows: Sequence[Row] = ()
    total: int = 0
    notes: Sequence[str] = field(default=())

    @property
    def finished(self) -> bool:
        """Whether every cell has a row."""
        return len(self.rows) == self.total

    @property
    def shown(self) -> tuple[Row, ...]:
        """The rows of the table: what does not fit appears once for all numbers of threads."""
        return tuple(row for i, row in enumerate(self.rows) if not i or row != self.rows[i - 1])

    @property
    def images(self) -> int:
        """Images that the scores are of; 0 without labels."""
        return max((row.images for row in self.rows), default=0)

    @property
    def simulated(self) -> bool:
        """Whether any times are those of a simulation."""
        return any(row.simulated and row.total for row in self.rows)

    @property
    def troubles(self) -> tuple[Row, ...]:
        """The rows with an error or a status other than ok, equal ones once."""
        troubles = {(row.status, row.error, row.hint): row for row in reversed(self.rows) if row.status != OK}
        return tuple(reversed(troubles.values()))

    @property
    def exit_code(self) -> int:
        """1 where a cell failed or none could be measured, else 0: what is unfit was no mistake of the model's."""
        failed = any(row.status in (FAILED, NO_SCORE) for row in self.rows)
        return NOTHING_MEASURED if failed or all(row.status == UNFIT for row in self.rows) else 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **envelope(KIND),
            "finished": self.finished,
            "started": self.started,
            "machine": dict(self.machine),
            "request": dict(self.request),
            "timing_images": self.timing_images,
            "images": self.images,
            "rows": [row.to_dict() for row in self.rows],
            "notes": [*([SIM_NOTE] if self.simulated else []), *self.notes],
        }


def rows_of_unfinished(document: object, request: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows that an interrupted run of the same request left.

    Args:
        document: Of its bench.json.
        request: Of this run.

    Returns:
        None if the request is another one, or the document is finished or damaged.
    """
    if not isinstance(document, Mapping) or document.get("schema") != envelope(KIND)["schema"]:
        return ()
    if document.get("finished") is not False or document.get("request") != request:
        return ()
    try:
        return tuple(read_row(row) for row in document["rows"])
    except (DataError, ModelError, LookupError, TypeError):  # no rows at all; a damaged one
        return ()

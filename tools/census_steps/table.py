"""The rows of a census as a table of docs/measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from measuring.runs import make_table
from measuring.table import Cell, Column, Table

from census_steps.whole_way import Row

COMMAND = "python tools/census.py --python ULTRALYTICS/bin/python --work WORK --size {size} --table"
COLUMNS = (
    Column("description"),
    Column("task"),
    Column("what became of it"),
    Column("lowest cosine of an output", "cosine"),
)
WENT = "the whole way"
REASONS = {
    "export": "Ultralytics does not export it",
    "cut": "refused at cut",
    "compile": "refused by the simulated compiler",
}


def census_table(rows: Sequence[Row], shipped: Mapping[str, Any]) -> Table:
    """The table: what went the whole way first, then what was refused, and what was not tried.

    Args:
        rows: One per description that was tried.
        shipped: The census's own record: version, size and all descriptions.
    """
    ordered = sorted(rows, key=lambda row: (row.stopped != "", row.name))
    tried = {row.name for row in rows}
    names = [str(name).removesuffix(".yaml") for name in shipped["descriptions"]]
    cells: list[list[Cell]] = [_cells(row) for row in ordered]
    cells += [[name, "", "not tried yet", None] for name in sorted(set(names) - tried)]
    command = f"{COMMAND.format(size=shipped['size'])} (Ultralytics {shipped['ultralytics']})"
    return make_table(command, COLUMNS, cells)


def _cells(row: Row) -> list[Cell]:
    outcome = (
        WENT if not row.stopped else f"{REASONS.get(row.stopped, f'stopped at {row.stopped}')}: {_short(row.message)}"
    )
    return [row.name, row.task, outcome, row.lowest_cosine]


def _short(message: str) -> str:
    """The beginning of a message, fit for a cell."""
    text = " ".join(message.replace("|", "/").split())
    return text if len(text) <= 160 else text[:157] + "..."

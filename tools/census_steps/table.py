"""The rows of a census as a table of docs/measured."""

from __future__ import annotations

import re
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
NAMED = re.compile(r"this is (.+), which edgekit does not support")
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
    return [row.name, row.task, _outcome(row), row.lowest_cosine]


def _outcome(row: Row) -> str:
    """What became of a description; what edgekit knows and does not run is called by its name, with what would run."""
    if not row.stopped:
        return WENT
    named = NAMED.match(row.message)
    if row.stopped != "cut" or named is None:
        return f"{REASONS.get(row.stopped, f'stopped at {row.stopped}')}: {_short(row.message)}"
    runs = row.hint.partition(";")[0]
    return _short(f"refused by name: {named[1]}{f'; {runs}' if runs else ''}")


def _short(message: str) -> str:
    """The beginning of a message, fit for a cell."""
    text = " ".join(message.replace("|", "/").split())
    return text if len(text) <= 160 else text[:157] + "..."

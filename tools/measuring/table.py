"""A measured table: its figures, and how, when and on what they were measured; a JSON file in docs/measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.files import write_text
from edgekit.records import check_envelope, envelope, from_json, to_json

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "measured"
KIND = "measured"
HINT = "run tools/measure.py again for this table, or take the file back from version control"
Number = int | float


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, and how its numbers are shown ("text" or a key of `cells.FORMATS`)."""

    title: str
    format: str = "text"


@dataclass(frozen=True, slots=True)
class Span:
    """A number with the ends of its interval."""

    value: float
    low: float
    high: float


Cell = str | Number | Span | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        date: On which it was measured, as 2026-11-29.
        commit: Of the tree that was measured, abbreviated.
        machine: Its class: architecture, cores, instruction set.
        command: What measured it.
        interval: What the intervals are, if there are any.
        columns: Titles and formats.
        rows: A cell per column.
    """

    date: str
    commit: str
    machine: str
    command: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    interval: str = ""


def write_table(name: str, table: Table, folder: Path = FOLDER) -> Path:
    """Write `folder`/`name`.json; an earlier one is replaced, since it is kept in version control."""
    path = folder / f"{name}.json"
    write_text(path, json.dumps({**envelope(KIND), **to_json(table)}, indent=1, ensure_ascii=False) + "\n")
    return path


def read_table(name: str, folder: Path = FOLDER) -> Table:
    """Read `folder`/`name`.json; raises DataError where it is no such table."""
    path = folder / f"{name}.json"
    document = check_envelope(json.loads(path.read_text("utf-8")), KIND, path.name, error=DataError, hint=HINT)
    columns = tuple(from_json(Column, value, f"{path.name}: column") for value in document.pop("columns"))
    rows = tuple(tuple(_cell(cell) for cell in row) for row in document.pop("rows"))
    if any(len(row) != len(columns) for row in rows):
        raise DataError(f"{path.name} has rows of another length than its {len(columns)} columns", hint=HINT)
    return Table(columns=columns, rows=rows, **document)


def _cell(value: object) -> Cell:
    if isinstance(value, dict):
        return from_json(Span, value, "cell")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise DataError(f"a cell is {value!r}, expected text, a number or an interval", hint=HINT)

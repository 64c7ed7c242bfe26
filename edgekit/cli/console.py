"""What every command prints with: a progress bar on standard error, tables, JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.files import listed
from edgekit.progress import Progress
from edgekit.records import envelope

if TYPE_CHECKING:
    from rich.console import Console


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar per stage on standard error; where that is no terminal, a line when a stage begins."""
    if sys.stderr.isatty() and has_rich():
        with _rich_bars() as report:
            yield report
    else:
        stages: set[str] = set()

        def report_line(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages.add(stage)
                print(f"{stage} ..." if not total else f"{stage} ({total}) ...", file=sys.stderr, flush=True)

        yield report_line


@contextlib.contextmanager
def _rich_bars() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=rich_console(stderr=True)) as bars:
        tasks = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report


def print_json(kind: str, value: Mapping[str, Any]) -> None:
    """Print a document as JSON on standard output, with the envelope of its kind unless it has one of its own."""
    print(json.dumps({**envelope(kind), **value}, indent=2, ensure_ascii=False))


def say_replaced(paths: Sequence[Path]) -> None:
    """Name on standard error what --overwrite replaces, where there is anything."""
    if paths:
        print(f"note: --overwrite replaces {listed(paths)}", file=sys.stderr)


def has_rich() -> bool:
    """Whether rich is here; on a board it need not be."""
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


def rich_console(**options: Any) -> Console:
    """Return a rich console: colours and other styles on a terminal alone, and none where NO_COLOR is set."""
    from rich.console import Console

    return Console(color_system=None if os.environ.get("NO_COLOR") else "auto", **options)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on standard output; numbers are right-aligned by their column's first row."""
    if not has_rich():
        return _print_plain_table(title, columns, rows)
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        number = bool(rows) and isinstance(rows[0][index], (int, float))
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row))
    rich_console(width=None if sys.stdout.isatty() else 110).print(table)


def _print_plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The same without rich: columns two spaces apart."""
    lines = [[str(c) for c in columns]]
    lines += [[f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    print(title)
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

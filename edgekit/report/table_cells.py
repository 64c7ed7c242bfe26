"""Cells and tables of the report's text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table


def new_table(title: str, columns: Sequence[str], *, right: set[str]) -> Table:
    """Return an empty table whose columns in `right` are right-aligned."""
    table = Table(title=title, title_justify="left", pad_edge=False, box=None, header_style="dim", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def format_cell(value: str | float | None) -> str:
    """Format a value of a difference: text escaped, numbers with six digits."""
    if value is None:
        return "-"
    return escape(value) if isinstance(value, str) else f"{value:.6g}"


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a number with `digits` decimals."""
    return "-" if value is None else f"{value:.{digits}f}"


def format_short(value: float | None) -> str:
    """Format a number with four digits."""
    return "-" if value is None else f"{value:.4g}"


def more_rows(count: int, shown: int) -> str:
    """Return " and N more" if rows are left out, else ""."""
    return f" and {count - shown} more" if count > shown else ""


def format_signed(value: float | None) -> str:
    """Format a number with its sign."""
    return "-" if value is None else f"{value:+.4f}"

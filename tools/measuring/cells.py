"""How figures are shown: cells by the format of their column, tables as Markdown."""

from __future__ import annotations

from collections.abc import Callable

from measuring.table import Cell, Number, Span, Table


def _ratio(value: Number) -> str:
    """Two digits that count: 0.68, 3.1, 24."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


FORMATS: dict[str, Callable[[Number], str]] = {
    "count": lambda value: f"{value:,}",
    "map": lambda value: f"{value:.4f}".removeprefix("0"),
    "ms": lambda value: f"{value:.2f} ms",
    "percent": lambda value: f"{100 * value:.1f} %",
    "signed percent": lambda value: f"{100 * value:+.1f} %",
    "ratio": _ratio,
    "cosine": lambda value: f"{value:.4f}",
    "error": lambda value: f"{value:.3f}",
}


def show(cell: Cell, format: str) -> str:
    """Return a cell as text; an interval stands in brackets, without its unit."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Span):
        low, high = (FORMATS[format](end).removesuffix(" %").removesuffix(" ms") for end in (cell.low, cell.high))
        return f"{FORMATS[format](cell.value)} [{low}, {high}]"
    return FORMATS[format](cell)


def markdown(table: Table) -> str:
    """Return the table with one line below it: when, on what and by which command it was measured."""
    lines = [[column.title for column in table.columns], ["---"] * len(table.columns)]
    formats = [column.format for column in table.columns]
    lines += [[show(cell, format) for cell, format in zip(row, formats, strict=True)] for row in table.rows]
    interval = f" In brackets: {table.interval}." if table.interval else ""
    source = f"*Measured {table.date} at {table.commit} on {table.machine} by* `{table.command}`*.{interval}*"
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", source])

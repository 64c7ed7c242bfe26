"""The pages that show measured figures: what stands between their markers is rendered from docs/measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring.cells import markdown, show
from measuring.table import FOLDER, Table, read_table

ROOT = FOLDER.parent.parent
MARKED = re.compile(r"(<!-- measured: ([a-z0-9-]+) -->\n)(.*?)(<!-- /measured -->)", re.S)
HIGHLIGHTS = "highlights"
PAGES = ("README.md", "docs/measured.md", "docs/index.md", "docs/census.md")


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell of a table: the table, the beginning of the row's first cell, the title of the column."""

    table: str
    row: str
    column: str


# (sentence, figures of its braces, heading of docs/measured.md that says how it was measured)
FIVE: tuple[tuple[str, tuple[Figure, ...], str], ...] = (
    (
        "**{} of {} integers differ** between the simulated BPU and the vendor's executor, in outputs of really "
        "compiled graphs",
        (Figure("golden", "all", "different"), Figure("golden", "all", "integers")),
        "exactness-of-the-simulated-bpu",
    ),
    (
        "**{}** of the float model's box mAP is kept by the really compiled int8 model",
        (Figure("accuracy", "really compiled, rgb", "box kept"),),
        "accuracy",
    ),
    (
        "**{} to {}**: the disagreement of the vendor's int8 build with float before and after `edgekit tune`, with "
        "room for 16 bits (a frame of {} in place of {}; the report lists what costs less)",
        (
            Figure("tuning", "vendor's compiler, untuned", "disagreement"),
            Figure("tuning", "vendor's compiler, tuned", "disagreement"),
            Figure("tuning-cost", "tuned", "frame"),
            Figure("tuning-cost", "untuned", "frame"),
        ),
        "tuning",
    ),
    (
        "**{}** median error of the milliseconds that `edgekit estimate` gives before the board ({} at worst), against "
        "the vendor's compiler and model families that the fit had not met",
        (Figure("latency", "int8", "median error"), Figure("latency", "int8", "worst error")),
        "milliseconds-before-the-board",
    ),
    (
        "**{}** of the frame rate of a timed stand-in for the device is reached by a live run, with decoding and masks",
        (Figure("speed-pipeline", "live run", "ratio"),),
        "speed",
    ),
)


def rendered(text: str, page: str, folder: Path = FOLDER) -> str:
    """Return a page with everything between its markers made again from the tables."""

    def block(match: re.Match[str]) -> str:
        name = match[2]
        body = highlights(page, folder) if name == HIGHLIGHTS else markdown(read_table(name, folder))
        return f"{match[1]}{body}\n{match[4]}"

    return MARKED.sub(block, text)


def highlights(page: str, folder: Path = FOLDER) -> str:
    """Return the five numbers as a list, linked to how they were measured."""
    link = "docs/measured.md" if page == "README.md" else "measured.md"
    tables: dict[str, Table] = {}

    def value(figure: Figure) -> str:
        table = tables.setdefault(figure.table, read_table(figure.table, folder))
        return figure_text(table, figure)

    return "\n".join(
        f"- {sentence.format(*map(value, figures))} ([how]({link}#{anchor}))" for sentence, figures, anchor in FIVE
    )


def figure_text(table: Table, figure: Figure) -> str:
    """Return one figure as its table shows it; the row and the column must be there once."""
    titles = [column.title for column in table.columns]
    column = titles.index(figure.column)
    (row,) = (row for row in table.rows if str(row[0]).startswith(figure.row))
    return show(row[column], table.columns[column].format)


def stale_pages(root: Path = ROOT) -> Iterator[str]:
    """Yield the pages that are not what the tables render to."""
    for page, text, expected in _pages(root):
        if text != expected:
            yield page


def render_pages(root: Path, write: Callable[[Path, str], object]) -> None:
    """Render every page in its file."""
    for page, text, expected in _pages(root):
        if text != expected:
            write(root / page, expected)


def _pages(root: Path) -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        yield page, text, rendered(text, page)

"""Figures on the pages come from docs/measured, and nobody typed a table by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from measuring.cells import markdown, show
from measuring.pages import FIVE, MARKED, PAGES, figure_text, rendered
from measuring.table import FOLDER, Column, Span, Table, read_table, write_table

TABLES = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_pages_show_what_was_measured() -> None:
    command = [sys.executable, "tools/measure.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_a_figure_that_was_typed_by_hand_is_noticed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    block = MARKED.search(text)
    assert block is not None
    changed = text[: block.start(3)] + block[3].replace("1", "2", 1) + text[block.end(3) :]
    assert changed != text and rendered(changed, page) == text


def test_no_table_of_the_page_stands_outside_of_the_markers() -> None:
    text = MARKED.sub("", (ROOT / "docs" / "measured.md").read_text(encoding="utf-8"))
    assert [line for line in text.splitlines() if line.startswith("|")] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_shown_and_says_how_it_was_measured(name: str) -> None:
    table = read_table(name)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", table.date)
    assert table.commit and table.machine and table.command and table.rows
    assert any(f"<!-- measured: {name} -->" in (ROOT / page).read_text(encoding="utf-8") for page in PAGES)


def headings(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("#"):
            yield re.sub(r"[^a-z0-9]+", "-", line.lstrip("# ").lower()).strip("-")


def test_the_five_numbers_lead_to_how_they_were_measured() -> None:
    page = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")
    assert len(FIVE) == 5
    assert {anchor for _, _, anchor in FIVE} <= set(headings(page))
    for _, figures, _ in FIVE:
        assert all(figure_text(read_table(figure.table), figure) in page for figure in figures)


def test_cells_are_shown_by_the_format_of_their_column() -> None:
    assert show(0.4079, "map") == ".4079"
    assert show(Span(0.994, 0.967, 1.025), "percent") == "99.4 % [96.7, 102.5]"
    assert [show(value, "ratio") for value in (0.678, 3.14, 24.4)] == ["0.68", "3.1", "24"]
    assert show(None, "ratio") == "–" and show("text", "ratio") == "text"
    assert show(-0.031, "signed percent") == "-3.1 %"


def test_a_table_is_the_same_after_its_file(tmp_path: Path) -> None:
    columns = (Column("what"), Column("ratio", "ratio"), Column("kept", "percent"))
    rows = (("a", 0.5, Span(0.9, 0.8, 1.0)), ("b", 2, None))
    table = Table("2026-11-29", "abcdef1", "x86_64, 2 cores", "python tools/bench.py sim", columns, rows, "all runs")
    write_table("t", table, tmp_path)
    assert read_table("t", tmp_path) == table
    assert "| a | 0.50 | 90.0 % [80.0, 100.0] |" in markdown(table)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.output.journal import journal_lines, journal_name


def rows_of(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_output_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with journal_lines(path, {"head": 1}) as journal:
        journal.write({"name": "caf\u00e9 \udc80"})
        journal.checkpoint()
        assert not path.exists()
    assert rows_of(path) == [{"head": 1}, {"name": "caf\u00e9 \udc80"}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with pytest.raises(KeyboardInterrupt), journal_lines(path, {"head": 1}) as journal:
        journal.write({"n": 0})
        kept = journal.checkpoint()
        journal.write({"n": 1})
        raise KeyboardInterrupt
    assert len(rows_of(tmp_path / journal_name(path.name))) == 3
    with journal_lines(path, {"head": 2}, kept_bytes=kept) as journal:
        journal.write({"n": 7})
    assert rows_of(path) == [{"head": 1}, {"n": 0}, {"n": 7}]


def test_a_journal_that_is_too_short_or_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with pytest.raises(OutputError, match="cannot be written"), journal_lines(path, {}, kept_bytes=3):
        pass
    (tmp_path / journal_name(path.name)).write_text("{}\n")
    with (
        pytest.raises(OutputError, match="has 3 bytes, expected at least the 9"),
        journal_lines(path, {}, kept_bytes=9),
    ):
        pass

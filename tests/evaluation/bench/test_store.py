from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import OutputError
from edgekit.evaluation.bench.store import append_log, finish, read_report, save_rows
from tests.evaluation.bench.reports import failed, report, row, simulated


def test_every_file_is_written_and_named(tmp_path: Path) -> None:
    files = finish(tmp_path / "out", report(row(), simulated(), failed()), plot=True)
    assert [path.name for path in files] == ["bench.md", "bench.csv", "bench.json", "bench.png", "bench.log"]
    assert all(path.stat().st_size > 100 for path in files)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in files)
    assert "bench.png" in (tmp_path / "out" / "bench.md").read_text()


def test_the_plot_of_an_earlier_run_goes_where_this_one_has_none(tmp_path: Path) -> None:
    finish(tmp_path, report(row()), plot=True)
    files = finish(tmp_path, report(row()), plot=False)
    assert not (tmp_path / "bench.png").exists() and tmp_path / "bench.png" not in files
    assert "bench.png" not in (tmp_path / "bench.md").read_text()
    finish(tmp_path, report(failed()), plot=True)
    assert not (tmp_path / "bench.png").exists()


def test_the_log_grows_from_run_to_run(tmp_path: Path) -> None:
    finish(tmp_path, report(row("first.onnx")), plot=False)
    finish(tmp_path, report(row("second.onnx")), plot=False)
    log = (tmp_path / "bench.log").read_text()
    assert log.index("first") < log.index("second") and log.count("2026-01-02 03:04:05") == 2
    assert "first" not in (tmp_path / "bench.md").read_text()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_entry_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    log = tmp_path / "bench.log"
    append_log(log, report(row()))
    before = log.read_bytes()

    class Half(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:20])
            raise error

    monkeypatch.setattr(Path, "open", lambda self, mode, buffering=0: Half(str(self), "ab"))
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError):
        append_log(log, report(row()))
    monkeypatch.undo()
    assert log.read_bytes() == before


def test_rows_so_far_come_back(tmp_path: Path) -> None:
    assert read_report(tmp_path) is None
    save_rows(tmp_path, report(row(), total=2))
    saved = read_report(tmp_path)
    assert isinstance(saved, dict) and saved["finished"] is False and len(saved["rows"]) == 1
    (tmp_path / "bench.json").write_text("{")
    assert read_report(tmp_path) is None

"""The folder of a bench: its report after every cell, the finished files, and the log that grows from run to run."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DataError
from edgekit.evaluation.bench.report import BenchReport
from edgekit.evaluation.bench.table import csv_text, markdown, text_table
from edgekit.files import read_json, write_json, write_text, writing

JSON_NAME, CSV_NAME, MARKDOWN_NAME = "bench.json", "bench.csv", "bench.md"
PLOT_NAME, LOG_NAME = "bench.png", "bench.log"


def read_report(folder: Path) -> object:
    """Return what bench.json of `folder` holds; None if there is none that can be read."""
    try:
        return read_json(folder / JSON_NAME)
    except DataError:
        return None


def save_rows(folder: Path, report: BenchReport) -> None:
    """Write bench.json with the rows so far, from which an interrupted run resumes."""
    write_json(folder / JSON_NAME, report.to_dict())


def finish(folder: Path, report: BenchReport, *, plot: bool) -> tuple[Path, ...]:
    """Write table and plot, each whole or not at all, add the table to the log, and return the files.

    The plot of an earlier run is removed if this one has none.
    """
    plotted = plot and _plot(folder / PLOT_NAME, report)
    if not plotted:
        (folder / PLOT_NAME).unlink(missing_ok=True)
    write_text(folder / MARKDOWN_NAME, markdown(report, plot=PLOT_NAME if plotted else ""))
    write_text(folder / CSV_NAME, csv_text(report))
    append_log(folder / LOG_NAME, report)
    save_rows(folder, report)
    names = (MARKDOWN_NAME, CSV_NAME, JSON_NAME, *((PLOT_NAME,) if plotted else ()), LOG_NAME)
    return tuple(folder / name for name in names)


def append_log(path: Path, report: BenchReport) -> None:
    """Add the report's table to the log at `path`; if that fails, the log stays as it was."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items() if value)
    block = f"{report.started}  {machine}\n{text_table(report)}\n\n".encode()
    with writing(path, hint="free some disk space or choose another folder with -o"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as stream:
            before = stream.tell()
            try:
                written = stream.write(block)
                if written != len(block):
                    raise OSError("the disk is full")
            except BaseException:  # Ctrl-C, too: no half entry
                stream.truncate(before)
                raise


def _plot(path: Path, report: BenchReport) -> bool:
    from edgekit.evaluation.bench.plot import save_plot

    return save_plot(path, report)

"""The folder of a bench: its report after every cell, the finished files, and the log that grows from run to run."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DataError, OutputError
from edgekit.evaluate.bench.report import Report
from edgekit.evaluate.bench.table import csv_text, markdown, text_table
from edgekit.files import read_json, write_json, write_text

JSON_NAME, CSV_NAME, MARKDOWN_NAME = "bench.json", "bench.csv", "bench.md"
PLOT_NAME, LOG_NAME = "bench.png", "bench.log"


def read_report(folder: Path) -> object:
    """What bench.json of `folder` holds; None where there is none that can be read."""
    try:
        return read_json(folder / JSON_NAME)
    except DataError:
        return None


def save_rows(folder: Path, report: Report) -> None:
    """Writes bench.json with the rows so far, from which an interrupted run goes on."""
    write_json(folder / JSON_NAME, report.to_dict())


def finish(folder: Path, report: Report, *, plot: bool) -> tuple[Path, ...]:
    """Writes table and plot, each whole or not at all, and adds the table to the log; returns the files.

    A plot of an earlier run goes where this one has none, so that nobody takes it for this run's.
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


def append_log(path: Path, report: Report) -> None:
    """Adds the report's table to the log at `path`; where that cannot be done the log stays as it was."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items() if value)
    block = f"{report.started}  {machine}\n{text_table(report)}\n\n".encode()
    try:
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
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})",
            hint="free some disk space or choose another place with -o",
        ) from error


def _plot(path: Path, report: Report) -> bool:
    from edgekit.evaluate.bench.plot import save_plot

    return save_plot(path, report)

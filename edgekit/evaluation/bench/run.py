"""The whole bench: measures cell after cell, keeps what is done, and writes table, plot and log at the end."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.cores import cores
from edgekit.errors import ConfigError
from edgekit.evaluation.bench.grid import Cell
from edgekit.evaluation.bench.measure import Bench, BenchOptions, measure_cell
from edgekit.evaluation.bench.report import BenchReport, rows_of_unfinished
from edgekit.evaluation.bench.row import MEMORY, OK, UNFIT, Row
from edgekit.evaluation.bench.store import finish, read_report, save_rows
from edgekit.evaluation.bench.timing_images import (
    TimingImages,
    generated_images,
    images_of_labels,
    images_of_source,
)
from edgekit.evaluation.label_reader import load_labels
from edgekit.evaluation.labels import Labels
from edgekit.files import sha256_file
from edgekit.install_hints import extra_hint
from edgekit.progress import Progress, silent
from edgekit.runtime.providers import import_onnxruntime
from edgekit.runtime.system import describe_machine, read_text
from edgekit.version import __version__
from edgekit.workers import Workers

__all__ = ["BenchData", "run_bench"]

BUSY_SHARE = 0.5  # load per core from which on times are not to be trusted
MACHINE_FACTS = ("board", "march", "rdk_os", "machine", "cpus", "governor", "python")


@dataclass(frozen=True, slots=True)
class BenchData:
    """Labels to score on, and where the images lie; without labels, `images` are those to take times on."""

    labels: Path | None = None
    images: Path | None = None
    split: str = "val"
    limit: int | None = None


NO_DATA = BenchData()
DEFAULT_OPTIONS = BenchOptions()


def run_bench(
    cells: Sequence[Cell],
    folder: Path,
    *,
    data: BenchData = NO_DATA,
    options: BenchOptions = DEFAULT_OPTIONS,
    workers: Workers | None = None,
    plot: bool = True,
    progress: Progress = silent,
    on_resume: Callable[[int], None] = lambda done: None,
) -> tuple[BenchReport, tuple[Path, ...]]:
    """Measure cells and write the results; an interrupted run of the same request is resumed.

    Args:
        cells: What is measured; a cell that fails is a row that says so.
        folder: Where the results go.
        data: Labels and images.
        options: How all cells are measured.
        workers: Where models are scored; None: in this process, where times are always taken.
        plot: Whether to draw one.
        progress: Called with stage, done and total.
        on_resume: Called with the number of rows that an interrupted run left.

    Returns:
        The report and the files written.

    Raises:
        ConfigError: For numbers that make no measurement.
        DataError, ImageError: For labels and images that cannot be used, before anything runs.
        OutputError: If the disk is full.
    """
    _check(options, data, plot)
    labels, images = _material(data)
    request = _request(cells, data, options)
    known = rows_of_unfinished(read_report(folder), request)
    if known:
        on_resume(sum(row.status == OK for row in known))
    bench = Bench(folder, images, labels, _data_key(request), options, workers)
    started = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    empty = BenchReport(request, _machine(), started, images.words, total=len(cells), notes=_busy())
    rows: list[Row] = []
    for index, cell in enumerate(cells):
        if index < len(known) and known[index].status == OK:
            rows.append(known[index])
            continue
        if rows and _is_settled(rows[-1], cells[index - 1], cell):
            rows.append(rows[-1])
            continue
        rows.append(measure_cell(bench, cell, progress=_labelled(progress, index + 1, len(cells), cell)))
        if len(rows) < len(cells):
            save_rows(folder, replace(empty, rows=(*rows, *known[len(rows) :])))
    report = replace(empty, rows=tuple(rows))
    return report, finish(folder, report, plot=plot)


def _is_settled(row: Row, measured: Cell, cell: Cell) -> bool:
    """Whether the row before says it all: other threads do not make a model fit, nor a larger batch into memory."""
    if row.status == UNFIT:
        return replace(measured, threads=cell.threads) == cell
    return row.status == MEMORY and measured.batch <= cell.batch and replace(measured, batch=cell.batch) == cell


def _check(options: BenchOptions, data: BenchData, plot: bool) -> None:
    for name, value, low, high in (
        ("--frames", options.frames, 1, 1_000_000),
        ("--warmup", options.warmup, 0, 1_000_000),
        ("--limit", 1 if data.limit is None else data.limit, 1, 10_000_000),
        ("--resamples", options.resamples, 0, 100_000),
        ("--conf", options.conf, 0, 1),
        ("--iou", options.iou, 0, 1),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}, expected {low}..{high}", hint="remove it for the default")
    if plot and importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(
            "matplotlib is not installed, expected it for the plot",
            hint=f"{extra_hint('host')}, or measure without a plot: --no-plot",
        )


def _material(data: BenchData) -> tuple[Labels | None, TimingImages]:
    if data.labels is not None:
        labels = load_labels(data.labels, split=data.split, images_dir=data.images, limit=data.limit)
        return labels, images_of_labels(labels)
    return None, images_of_source(data.images) if data.images is not None else generated_images()


def _request(cells: Sequence[Cell], data: BenchData, options: BenchOptions) -> dict[str, Any]:
    """Return everything that decides the result, in plain values."""
    prints = {str(path): fingerprint(path) for path in dict.fromkeys(cell.model for cell in cells)}
    return {
        "edgekit": __version__,
        "onnxruntime": import_onnxruntime().__version__,
        "models": prints,
        "cells": [
            {
                "model": str(cell.model),
                "size_hw": list(cell.size_hw) if cell.size_hw else None,
                "device": cell.device,
                "threads": cell.threads,
                "precision": cell.precision,
                "batch": cell.batch,
            }
            for cell in cells
        ],
        "data": {
            "labels": str(data.labels) if data.labels else None,
            "sha256": fingerprint(data.labels) if data.labels else None,
            "images": str(data.images) if data.images else None,
            "split": data.split,
            "limit": data.limit,
        },
        "settings": asdict(options),
    }


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file, or of the names, sizes and times of what lies in a folder."""
    if path.is_file():
        return sha256_file(path)
    inside = sorted((str(p.relative_to(path)), p.stat()) for p in path.rglob("*") if p.is_file())
    listing = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in inside)
    return hashlib.sha256(listing.encode()).hexdigest()


def _data_key(request: Mapping[str, Any]) -> str:
    """A folder name for predictions: those on other labels or images lie elsewhere."""
    data = {name: value for name, value in request["data"].items() if name != "limit"}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:8]


def _machine() -> dict[str, str | None]:
    """The computer in words; the processor by name where the system tells it."""
    facts = describe_machine()
    described = {name: facts[name] for name in MACHINE_FACTS}
    return {
        "cpu": _processor() or None,
        **described,
        "onnxruntime": str(import_onnxruntime().__version__),
        "edgekit": __version__,
    }


def _busy() -> tuple[str, ...]:
    """A note where other programs keep the cores, so that nobody takes their work for the model's."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < BUSY_SHARE * cores():
        return ()
    return (f"other programs were running at the start (load {load:.1f} on {cores()} cores): the times are too long",)


def _processor() -> str:
    match = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", read_text("proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else platform.processor()


def _labelled(progress: Progress, number: int, total: int, cell: Cell) -> Progress:
    return lambda stage, done, of: progress(f"[{number}/{total}] {cell.label}: {stage}", done, of)

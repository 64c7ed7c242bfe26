"""Published figures of a board, and how a measurement compares with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.runtime.perf import PerfRun
from edgekit.text import shorten

TOLERANCE = 1.25  # beyond it in either direction something differs: clocks, model, input or protocol
METRICS = ("infer_ms", "fps")


@dataclass(frozen=True, slots=True)
class PublishedValue:
    """One published number. `model` is a pattern that the model file's stem must match in full."""

    model: str
    metric: str
    threads: int
    value: float
    source: str
    protocol: str


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """A measured number beside a published one; `ratio` above 1 is better than published."""

    figure: PublishedValue
    measured: float
    ratio: float
    verdict: str


def read_reference(path: Path) -> tuple[PublishedValue, ...]:
    """Read `<board>.json`; raises DataError if a field is missing or of another kind."""
    data = read_json(path)
    rows = data.get("figures") if isinstance(data, Mapping) else None
    if not isinstance(rows, list):
        raise DataError(f"{path} has no list 'figures'", hint="copy board/reference from the repository again")
    return tuple(_published(path, row) for row in rows)


def compare(
    runs: Sequence[PerfRun], figures: Sequence[PublishedValue], *, model_stem: str
) -> list[PublishedComparison]:
    """Return every published value for this model and a measured number of threads, beside the measurement."""
    comparisons = []
    for figure in figures:
        run = next((r for r in runs if r.threads == figure.threads), None)
        if run is None or not re.fullmatch(figure.model, model_stem):
            continue
        measured = run.fps if figure.metric == "fps" else run.stages["infer"].mean
        ratio = measured / figure.value if figure.metric == "fps" else figure.value / measured
        comparisons.append(PublishedComparison(figure, measured, ratio, _verdict(ratio)))
    return comparisons


def _verdict(ratio: float) -> str:
    if ratio < 1 / TOLERANCE:
        return "too slow: check governor, clocks, temperature and what else runs"
    if ratio > TOLERANCE:
        return "too fast: check that model, input size and outputs are those of the published figure"
    return "as published"


def _published(path: Path, row: Any) -> PublishedValue:
    try:
        figure = PublishedValue(
            str(row["model"]),
            str(row["metric"]),
            int(row["threads"]),
            float(row["value"]),
            str(row["source"]),
            str(row["protocol"]),
        )
        re.compile(figure.model)
    except (TypeError, KeyError, ValueError, OverflowError, re.error) as error:
        raise DataError(f"{path} holds a figure that cannot be read ({shorten(error)})", hint="fix the row") from error
    if figure.metric not in METRICS or figure.value <= 0:
        raise DataError(
            f"{path}: figure {figure.metric} {figure.value}, expected one of {', '.join(METRICS)} above 0",
            hint="fix the row",
        )
    return figure

"""The plot of a bench: mAP against latency, or where nothing was scored, the latencies alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgekit.evaluation.bench.grid import thread_words
from edgekit.evaluation.bench.report import BenchReport
from edgekit.evaluation.bench.row import Row
from edgekit.evaluation.bench.table import display_names, long_score
from edgekit.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito's
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#555555"
LOG_RATIO = 10  # slowest over fastest from which on the axis is logarithmic
PANEL_INCH, LEGEND_LINE_INCH, DPI = (8.0, 4.6), 0.17, 150
MAX_PANELS = 2  # box and mask; what comes behind stands in the table


def save_plot(path: Path, report: BenchReport) -> bool:
    """Write the plot as PNG; return False, without a file, if nothing was measured."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in report.rows if row.total is not None]
    if not rows:
        return False
    kinds = list(dict.fromkeys(kind for row in rows for kind, f in row.scores.items() if f.value is not None))
    kinds = kinds[:MAX_PANELS]
    series = _series(rows)
    size_inch = PANEL_INCH if kinds else (PANEL_INCH[0], 1.6 + 0.42 * len(rows))
    width, height = size_inch[0] * (1.5 if len(kinds) > 1 else 1), size_inch[1]
    height += LEGEND_LINE_INCH * len(series) if kinds else 0
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if kinds:
        panels: Sequence[Axes] = figure.subplots(1, len(kinds), squeeze=False, sharex=True)[0]
        for axes, kind in zip(panels, kinds, strict=True):
            _scatter(axes, report, series, kind)
        entries: dict[str, Any] = {}
        for axes in panels:
            handles, labels = axes.get_legend_handles_labels()
            entries |= dict(zip(labels, handles, strict=True))
        figure.legend(list(entries.values()), list(entries), loc="outside lower left", frameon=False, fontsize=8)
    else:
        _bars(figure.subplots(), report, rows)
    figure.suptitle("\n".join(_title(report, bool(kinds))), fontsize=10, x=0.01, ha="left")
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png")
    return True


def _series(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each model on each device, fastest first: the points of one line."""
    series: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        series.setdefault((row.file, row.device), []).append(row)
    return [sorted(members, key=_latency_ms) for members in series.values()]


def _scatter(axes: Axes, report: BenchReport, series: Sequence[Sequence[Row]], kind: str) -> None:
    """One panel: a colour per model, a marker per device, hollow where simulated; bars for the 95 % intervals."""
    names = display_names(report.rows)
    rows = [row for members in series for row in members]
    files = list(dict.fromkeys(row.file for row in report.rows))
    devices = list(dict.fromkeys(row.device for row in report.rows if row.device))
    for number, members in enumerate(series):
        shown = [row for row in members if kind in row.scores and row.scores[kind].value is not None]
        if not shown:
            continue
        first = members[0]
        color = PALETTE[files.index(first.file) % len(PALETTE)]
        axes.errorbar(
            [_latency_ms(row) for row in shown],
            [_percent(row, kind) for row in shown],
            yerr=_reaches(shown, kind),
            label=f"{names[first.file]}, {first.precision} on {first.device_name}{' *' if first.simulated else ''}",
            color=color,
            marker=MARKERS[devices.index(first.device) % len(MARKERS)],
            markerfacecolor="white" if first.simulated else color,
            markersize=7,
            linewidth=1,
            linestyle="" if len(members) == 1 else ":" if first.simulated else "-",
            elinewidth=0.8,
            capsize=2.5,
        )
        _label_points(axes, shown, _point_labels(members, rows), kind, above=number % 2 == 0)
    _latency_axis(axes, [_latency_ms(row) for row in rows])
    axes.set_ylabel(f"{long_score(kind)} in %")
    _plain(axes, "both")


def _label_points(axes: Axes, shown: Sequence[Row], labels: dict[int, str], kind: str, *, above: bool) -> None:
    """Neighbouring lines have their labels on different sides."""
    for row in shown:
        if text := labels[id(row)]:
            point = (_latency_ms(row), _percent(row, kind))
            side = (6, 5) if above else (6, -11)
            axes.annotate(text, point, side, textcoords="offset points", fontsize=7, color=GREY)


def _latency_axis(axes: Axes, latencies_ms: Sequence[float]) -> None:
    if max(latencies_ms) > LOG_RATIO * min(latencies_ms):
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(latencies_ms) / 1.3, max(latencies_ms) * 1.5)
    else:
        axes.set_xlim(0, max(latencies_ms) * 1.12)
    axes.set_xlabel("ms per image, from pixels to boxes (p50)")


def _plain(axes: Axes, grid: Literal["both", "x"]) -> None:
    axes.grid(True, axis=grid, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bars(axes: Axes, report: BenchReport, rows: Sequence[Row]) -> None:
    """Latencies without scores: the median as a bar, p90 and p99 as ticks behind it."""
    names = display_names(report.rows)
    for y, row in enumerate(reversed(rows)):
        assert row.total is not None
        face = "white" if row.simulated else PALETTE[0]
        axes.barh(y, row.total.p50, height=0.55, color=face, edgecolor=PALETTE[0])
        axes.plot([row.total.p50, row.total.p99], [y, y], color=GREY, linewidth=1)
        axes.plot([row.total.p90, row.total.p99], [y, y], "|", color=GREY, markersize=9)
        text = f"{row.total.p50:.3g}"
        axes.annotate(text, (row.total.p99, y), (6, -3), textcoords="offset points", fontsize=8, color=GREY)
    axes.set_yticks(range(len(rows)), [_bar_name(row, names) for row in reversed(rows)], fontsize=8)
    axes.set_xlabel("ms per image, from pixels to boxes: bar p50, ticks p90 and p99")
    axes.set_xlim(0, max(row.total.p99 for row in rows if row.total) * 1.12)
    _plain(axes, "x")


def _title(report: BenchReport, scored: bool) -> list[str]:
    """What is shown, on which machine, and what must be known to read it."""
    cores = f"{report.machine['cpus']} cores" if report.machine.get("cpus") else ""
    machine = ", ".join(text for text in (report.machine.get("board") or report.machine.get("cpu"), cores) if text)
    what = "Latency"
    if scored:
        what = f"mAP50-95 against latency, {report.images} images; bars: 95 % intervals over images"
    hollow = "* hollow: simulated int8, its time says nothing of a board" if report.simulated else ""
    return [text for text in (f"{what}; {machine}" if machine else what, hollow) if text]


def _point_labels(members: Sequence[Row], rows: Sequence[Row]) -> dict[int, str]:
    """By identity of the row what tells it from the others of its line, and no more: size and threads."""
    sizes = len({row.size_wh for row in rows}) > 1
    threads = len({row.threads for row in members}) > 1
    labels = {}
    for row in members:
        parts = ["{}x{}".format(*row.size_wh)] if sizes and row.size_wh else []
        labels[id(row)] = ", ".join([*parts, *([thread_words(row.threads)] if threads else [])])
    return labels


def _bar_name(row: Row, names: dict[str, str]) -> str:
    size = "{}x{}".format(*row.size_wh) if row.size_wh else ""
    star = " *" if row.simulated else ""
    return f"{names[row.file]}\n{row.precision} on {row.device_name}{star}, {size}, {thread_words(row.threads)}"


def _latency_ms(row: Row) -> float:
    assert row.total is not None
    return row.total.p50


def _percent(row: Row, kind: str) -> float:
    value = row.scores[kind].value
    assert value is not None
    return 100 * value


def _reaches(shown: Sequence[Row], kind: str) -> list[list[float]]:
    """How far the intervals reach below and above; drawn once where threads share one score."""
    reaches: list[list[float]] = [[], []]
    drawn: set[tuple[int, int] | None] = set()
    for row in shown:
        figure, value = row.scores[kind], _percent(row, kind)
        ends = (figure.low, figure.high) if row.size_wh not in drawn else (None, None)
        for side, end in enumerate(ends):
            reaches[side].append(math.nan if end is None else max(0.0, (value - 100 * end) * (1 - 2 * side)))
        drawn.add(row.size_wh)
    return reaches

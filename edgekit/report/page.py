"""The report as one self-contained HTML page: no network, no fonts, plots inside, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgekit.files import write_text
from edgekit.report.chart import (
    DESK_WIDTH,
    PHONE_WIDTH,
    busy_chart,
    cosine_chart,
    layer_chart,
    sensitivity_chart,
    threshold_chart,
)
from edgekit.report.compare import COLUMNS, compare_rows, ranked
from edgekit.report.diff import Diff, diff_reports
from edgekit.report.report import Facts, Report
from edgekit.report.rules import OUTPUT_COSINE_GOOD, OUTPUT_COSINE_POOR
from edgekit.report.text import baseline_text, calibration_text, input_text, version_text
from edgekit.report.time_chart import front_chart, time_chart
from edgekit.version import __version__

TEMPLATE = "page.html.jinja"
WORST_NODES = 12
SENSITIVE_NODES = 24
SENSITIVITY_TITLE = "Sensitivity to int8"
TIME_TITLE, FRONT_TITLE = "Time along the graph", "Accuracy over milliseconds"
FRONT_NOTE = "Settings that edgekit tune tried, by the static estimate; the line joins those that nothing faster beats."
SHOWN_ROUTES = 3  # the lowest outputs; the others fold away
LAYER_NOTE = "Computing above, moving data below; on the BPU the two overlap."
THRESHOLD_NOTE = "The largest value that each node's input is calibrated for, on a logarithmic scale."


def write_page(path: Path, reports: Sequence[Report], *, against: Report | None = None) -> None:
    """Write the page of one or many reports, with the difference to a base build where one is given."""
    write_text(path, render_page(reports, against=against))


def render_page(reports: Sequence[Report], *, against: Report | None = None) -> str:
    """The page as text. Everything that comes from a file is escaped: a log cannot put markup into it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["decimals"] = lambda value: "–" if value is None else f"{value:.4f}"
    environment.filters["short"] = lambda value: "–" if value is None else f"{value:.4g}"
    environment.filters["signed"] = lambda value: "–" if value is None else f"{value:+.4f}"
    environment.filters["level"] = _level
    environment.filters["plain"] = _plain
    diff: Diff | None = diff_reports(against, reports[0]) if against and len(reports) == 1 else None
    return environment.get_template(TEMPLATE).render(
        title=reports[0].build.name if len(reports) == 1 else f"{len(reports)} builds",
        version=__version__,
        views=[_view(report) for report in ranked(reports)],
        diff=diff,
        columns=COLUMNS,
        shown_routes=SHOWN_ROUTES,
        sensitivity_title=SENSITIVITY_TITLE,
        time_title=TIME_TITLE,
        front_title=FRONT_TITLE,
        comparison=compare_rows(reports) if len(reports) > 1 else [],
    )


def _level(cosine: float | None) -> str:
    """The colour class of a cosine."""
    if cosine is None:
        return "none"
    return "good" if cosine >= OUTPUT_COSINE_GOOD else "fair" if cosine >= OUTPUT_COSINE_POOR else "low"


def _plain(value: str | float | None) -> str:
    """A setting or number of a difference as it stands, whole numbers without a point."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.6f}".rstrip("0").rstrip(".")


def _view(report: Report) -> dict[str, Any]:
    """What the template shows of one report; the plots twice, for a desk and for a phone."""
    facts = report.facts
    return {
        "report": report,
        "facts": facts,
        "build": report.build,
        "verdict": report.verdict,
        "log": report.build.compile_log,
        "versions": version_text(facts),
        "input": input_text(facts),
        "size": facts.predicted.size.words() if facts.predicted else "",
        "calibration": calibration_text(facts),
        "tiles": _tiles(facts),
        "worst": facts.worst_nodes[:WORST_NODES],
        "sensitive": report.build.sensitivity.nodes[:SENSITIVE_NODES] if report.build.sensitivity else (),
        "drops": facts.flow.drops if facts.flow else {},
        "config": _config(facts),
        "savings": facts.predicted.savings if facts.predicted else (),
        "charts": [chart for chart in _charts(facts) if chart[2]],
    }


def _charts(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    """Title, note, drawing for a desk, drawing for a phone; the drawings are "" where there is nothing to draw."""
    result = facts.build.sensitivity
    predicted = facts.predicted.estimate if facts.predicted else None
    draws: tuple[tuple[str, str, Callable[[int], str]], ...] = (
        ("Cosine along the graph", _cosine_note(facts), lambda width: cosine_chart(facts, width=width)),
        (SENSITIVITY_TITLE, _sensitivity_note(facts), lambda width: sensitivity_chart(result, width=width)),
        (FRONT_TITLE, FRONT_NOTE, lambda width: front_chart(result.front if result else (), width=width)),
        (TIME_TITLE, _time_note(facts), lambda width: time_chart(predicted, width=width)),
        ("Time per layer", LAYER_NOTE, lambda width: layer_chart(facts.build.static, width=width)),
        ("How busy the BPU is", _busy_note(facts), lambda width: busy_chart(facts.build.static, width=width)),
        ("Thresholds", THRESHOLD_NOTE, lambda width: threshold_chart(facts, width=width)),
    )
    for title, note, draw in draws:
        yield title, note, draw(DESK_WIDTH), draw(PHONE_WIDTH)


def _cosine_note(facts: Facts) -> str:
    source = f" Edges from {facts.flow.source}." if facts.flow else ""
    return f"Integer graph against float model, node by node; the dashed line is {OUTPUT_COSINE_GOOD}.{source}"


def _sensitivity_note(facts: Facts) -> str:
    result = facts.build.sensitivity
    return f"Measured by edgekit tune: {baseline_text(result)}; {len(result.nodes)} nodes." if result else ""


def _time_note(facts: Facts) -> str:
    if facts.predicted is None:
        return ""
    estimate = facts.predicted.estimate
    return (
        f"Static estimate of the latency model: {estimate.frame_us / 1e3:.2f} ms a frame, within "
        f"{100 * estimate.band:.0f} % for nine of ten builds. What every layer adds, waiting included."
    )


def _busy_note(facts: Facts) -> str:
    static = facts.build.static
    more = "" if static and static.layers else " Set debug: True in the yaml for times per layer."
    return f"Share of the time that it computes, by the static estimate.{more}"


def _tiles(facts: Facts) -> list[tuple[str, str, str, str]]:
    """The numbers of the first screen: (label, value, unit or remark, colour class)."""
    worst, estimate = facts.worst_output, facts.build.estimate
    tiles = []
    if worst is not None and worst.cosine is not None:
        tiles.append(("lowest output", f"{worst.cosine:.4f}", worst.label, _level(worst.cosine)))
    if estimate:
        tiles.append(("static estimate", f"{estimate.fps:.0f} FPS", f"{estimate.latency_us / 1000:.2f} ms a frame", ""))
        tiles.append(("memory traffic", f"{estimate.ddr_bytes / 1e6:.1f} MB", "of DDR a frame", ""))
    if facts.predicted:
        predicted = facts.predicted.estimate
        remark = f"{predicted.frame_us / 1e3:.2f} ms, within {100 * predicted.band:.0f} %"
        tiles.append(("latency model's estimate", f"{predicted.fps:.0f} FPS", remark, ""))
    for run in facts.build.perf[:2]:
        threads = f"{run.threads} thread{'' if run.threads == 1 else 's'}" if run.threads else "measured"
        shown = f"{run.fps:.0f} FPS" if run.fps is not None else f"{run.latency_ms:.1f} ms"
        tiles.append(
            ("on the board", shown, threads if run.latency_ms is None else f"{run.latency_ms:.1f} ms, {threads}", "")
        )
    if facts.nodes:
        level = "fair" if facts.cpu.inner else ""
        tiles.append(("nodes on the CPU", str(len(facts.cpu.nodes)), f"of {len(facts.nodes)}", level))
    if facts.log and facts.log.calibration.samples is not None:
        tiles.append(("calibration", str(facts.log.calibration.samples), "samples", ""))
    return tiles


def _config(facts: Facts) -> str:
    """The yaml as used, or the tool's closing lists where the yaml was not dumped."""
    log = facts.build.compile_log
    sections = (log.config or log.settings) if log else {}
    lines = []
    for section, fields in sections.items():
        lines.append(f"{section}:")
        lines += [
            f"  {key}: {value!r}" if isinstance(value, str) else f"  {key}: {value}" for key, value in fields.items()
        ]
    return "\n".join(lines)

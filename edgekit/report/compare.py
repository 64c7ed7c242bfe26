"""Many builds side by side: one row each, best last output first."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.report.report import Report

COLUMNS = (
    "build",
    "verdict",
    "lowest output",
    "nodes",
    "CPU",
    "int16",
    "calibration",
    "samples",
    "FPS",
    "ms",
    "predicted ms",
    "DDR MB",
)


def compare_rows(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """A row of texts per build under COLUMNS, in the order of `ranked`."""
    return [_row(report) for report in ranked(reports)]


def ranked(reports: Sequence[Report]) -> list[Report]:
    """The reports by their lowest output, the highest of these first, builds without cosines last."""
    return sorted(reports, key=_rank)


def _rank(report: Report) -> tuple[float, str]:
    worst = report.facts.worst_output
    return -(worst.cosine if worst and worst.cosine is not None else -2.0), report.build.name


def _row(report: Report) -> tuple[str, ...]:
    facts = report.facts
    worst, estimate = facts.worst_output, report.build.estimate
    calibration = facts.log.calibration if facts.log else None
    return (
        report.build.name,
        report.verdict.grade,
        f"{worst.cosine:.4f} {worst.label}" if worst and worst.cosine is not None else "-",
        str(len(facts.nodes) or "-"),
        str(len(facts.cpu.nodes)) if facts.nodes else "-",
        str(len(facts.int16_nodes)) if facts.nodes else "-",
        _method(calibration.method) if calibration else "-",
        str(calibration.samples) if calibration and calibration.samples is not None else "-",
        f"{estimate.fps:.1f}" if estimate else "-",
        f"{estimate.latency_us / 1000:.2f}" if estimate else "-",
        f"{facts.predicted.estimate.frame_us / 1000:.2f}" if facts.predicted else "-",
        f"{estimate.ddr_bytes / 1e6:.1f}" if estimate else "-",
    )


def _method(method: str) -> str:
    """`max-percentile:percentile=0.9999` as people say it: `max-percentile 0.9999`."""
    return method.replace(":percentile=", " ").replace(":num_bins=", " ") or "-"

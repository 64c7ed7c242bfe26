"""What changed between two builds: settings, outputs, nodes, speed; in numbers, new minus base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.logs.tables import NodeRow
from edgekit.records import envelope
from edgekit.report.report import Facts, Report

COSINE_CHANGE = 0.005  # of a node, worth listing
MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; `delta` is new minus base where both are numbers."""

    name: str
    base: str | float | None
    new: str | float | None

    @property
    def delta(self) -> float | None:
        """The difference of two numbers, new minus base; None for texts."""
        if isinstance(self.base, (int, float)) and isinstance(self.new, (int, float)):
            return round(self.new - self.base, 6)
        return None


@dataclass(frozen=True, slots=True)
class Diff:
    """`settings`, `outputs`, `speed` and `nodes` hold what differs; `moved` nodes changed place or data type."""

    base: str
    new: str
    grades: tuple[str, str]
    settings: tuple[Change, ...]
    outputs: tuple[Change, ...]
    speed: tuple[Change, ...]
    nodes: tuple[Change, ...]
    moved: tuple[Change, ...]
    only_base: tuple[str, ...]
    only_new: tuple[str, ...]
    sentence: str


def diff_reports(base: Report, new: Report) -> Diff:
    """Compare two reports; nodes and outputs are matched by name, outputs of another export by their head node."""
    before, after = _rows(base.facts), _rows(new.facts)
    common = [name for name in after if name in before]
    nodes = [
        Change(name, before[name].cosine, after[name].cosine)
        for name in common
        if before[name].cosine is not None and after[name].cosine is not None
    ]
    nodes = [change for change in nodes if abs(change.delta or 0) >= COSINE_CHANGE]
    nodes.sort(key=lambda change: (-abs(change.delta or 0), change.name))
    outputs = _outputs(base.facts, new.facts)
    return Diff(
        base=_label(base, new),
        new=_label(new, base),
        grades=(base.verdict.grade, new.verdict.grade),
        settings=_changes(_settings(base.facts), _settings(new.facts)),
        outputs=outputs,
        speed=_changes(_speed(base.facts), _speed(new.facts)),
        nodes=tuple(nodes),
        moved=_moved(before, after, common),
        only_base=tuple(name for name in before if name not in after),
        only_new=tuple(name for name in after if name not in before),
        sentence=_sentence(outputs, base, new),
    )


def diff_json(diff: Diff) -> dict[str, Any]:
    """The difference as JSON; every change also has its `delta`."""
    value = asdict(diff)
    for key in ("settings", "outputs", "speed", "nodes", "moved"):
        value[key] = [asdict(change) | {"delta": change.delta} for change in getattr(diff, key)]
    return {**envelope("report-diff"), **value}


def _label(report: Report, baseline: Report) -> str:
    """The build's name, with the file that tells it apart where both have the same."""
    name = report.build.name
    if name != baseline.build.name or not report.build.sources:
        return name
    path = report.build.sources[0].path.absolute()
    return f"{name} ({'/'.join(path.parts[-2:])})"


def _rows(facts: Facts) -> dict[str, NodeRow]:
    return {row.name: row for row in facts.nodes}


def _outputs(base: Facts, new: Facts) -> tuple[Change, ...]:
    """All outputs, changed or not: they are few and what counts."""
    by_name = {output.name: output for output in base.outputs}
    by_node = {output.node: output for output in base.outputs if output.node}
    changes = []
    for output in new.outputs:
        twin = by_node.get(output.node) or by_name.get(output.name)
        changes.append(Change(output.label, twin.cosine if twin else None, output.cosine))
    return tuple(changes)


def _settings(facts: Facts) -> dict[str, str | float | None]:
    build = facts.build
    values: dict[str, str | float | None] = {f"version {tool}": text for tool, text in build.versions.items()}
    values["march"] = build.march
    log = facts.log
    if log:
        values["calibration method"] = log.calibration.method
        values["calibration samples"] = log.calibration.samples
        sections: Mapping[str, Mapping[str, object]] = log.config or log.settings
        for section, fields in sections.items():
            for key, value in fields.items():
                values[f"{section.removesuffix('_parameters')}.{key}"] = str(value)
    return values


def _speed(facts: Facts) -> dict[str, str | float | None]:
    estimate = facts.build.estimate
    values: dict[str, str | float | None] = {}
    if estimate:
        values["FPS (static)"] = estimate.fps
        values["latency us (static)"] = estimate.latency_us
        values["DDR bytes a frame"] = float(estimate.ddr_bytes)
    for run in facts.build.perf:
        values[f"measured ms, {run.threads or '?'} threads"] = run.latency_ms
        values[f"measured FPS, {run.threads or '?'} threads"] = run.fps
    if facts.nodes:
        values["CPU nodes"] = float(len(facts.cpu.nodes))
        values["int16 nodes"] = float(len(facts.int16_nodes))
    return values


def _changes(base: Mapping[str, str | float | None], new: Mapping[str, str | float | None]) -> tuple[Change, ...]:
    keys = [*base, *(key for key in new if key not in base)]
    return tuple(Change(key, base.get(key), new.get(key)) for key in keys if base.get(key) != new.get(key))


def _moved(before: Mapping[str, NodeRow], after: Mapping[str, NodeRow], common: list[str]) -> tuple[Change, ...]:
    def location(row: NodeRow) -> str:
        return f"{row.on} {row.dtype}".strip()

    return tuple(
        Change(name, location(before[name]), location(after[name]))
        for name in common
        if location(before[name]) != location(after[name])
    )


def _sentence(outputs: tuple[Change, ...], base: Report, new: Report) -> str:
    deltas = [change.delta for change in outputs if change.delta is not None]
    better, worse = sum(d > 0 for d in deltas), sum(d < 0 for d in deltas)
    accuracy = f"{better} of {len(deltas)} outputs closer to the float model, {worse} farther" if deltas else ""
    before, after = base.build.estimate, new.build.estimate
    speed = f"{after.fps - before.fps:+.1f} FPS" if before and after else ""
    return "; ".join(part for part in (accuracy, speed) if part) or "no outputs or speeds to compare"

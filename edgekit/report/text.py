"""A report for the terminal: the verdict first, then what it rests on, in about one screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edgekit.logs.sensitivity import Sensitivity
from edgekit.report.compare import COLUMNS, compare_rows
from edgekit.report.cosine_trace import Fall, Route
from edgekit.report.diff import COSINE_CHANGE, Change, Diff
from edgekit.report.report import Facts, Report
from edgekit.report.rules import OUTPUT_COSINE_GOOD
from edgekit.report.speed import speed_lines
from edgekit.report.table_cells import format_cell, format_number, format_short, format_signed, more_rows, new_table
from edgekit.report.verdict import Verdict

GRADE_STYLES = {"good": "green", "usable": "yellow", "poor": "red", "failed": "bold red", "unknown": "cyan"}
SEVERITY_MARKS = {"stop": "✗", "bad": "✗", "warn": "!", "note": "·"}
TOOLS = {"hb_mapper": "hb_mapper", "hbdk": "hbdk", "hbdk_runtime": "hbdk runtime", "horizon_nn": "horizon_nn"}
RANGES = {"regular": "full range", "bt601_video": "studio range"}
WORST_SHOWN = 6
SENSITIVE_SHOWN = 10
CHANGES_SHOWN = 12


def print_report(console: Console, report: Report, *, all_nodes: bool = False) -> None:
    """Print one report; with `all_nodes` the whole node table below it."""
    console.print(_verdict(report))
    if report.verdict.is_command:  # outside the frame, in one line however long: to be copied
        for line in _step(report.verdict):
            console.print(line, soft_wrap=True)
    for part in (_outputs(report.facts), _worst(report.facts), _sensitive(report.facts), _lines(report)):
        if part is not None:
            console.print(part)
    if all_nodes and report.facts.nodes:
        console.print(_all_nodes(report.facts))


def print_comparison(console: Console, reports: Sequence[Report]) -> None:
    """Print the table that compares many builds."""
    table = new_table(
        f"{len(reports)} builds",
        COLUMNS,
        right={"nodes", "CPU", "int16", "samples", "FPS", "ms", "predicted ms", "DDR MB"},
    )
    for row in compare_rows(reports):
        cells = [escape(cell) for cell in row]
        cells[1] = f"[{GRADE_STYLES[row[1]]}]{row[1]}[/]"
        table.add_row(*cells)
    console.print(table)


def print_diff(console: Console, diff: Diff) -> None:
    """Print what changed from the base build to the new one."""
    console.print(
        Panel(
            f"{escape(diff.sentence)}\nverdict: {diff.grades[0]} → {diff.grades[1]}",
            title=escape(f"{diff.new} against {diff.base}"),
            title_align="left",
        )
    )
    parts = (
        ("outputs: cosine", diff.outputs),
        ("speed", diff.speed),
        ("settings", diff.settings),
        (f"nodes that changed by {COSINE_CHANGE} or more, most first", diff.nodes[:CHANGES_SHOWN]),
        ("nodes that changed place or type", diff.moved[:CHANGES_SHOWN]),
    )
    for title, changes in parts:
        if changes:
            console.print(_changes(title, changes))
    for title, names in (("only in the base", diff.only_base), ("only in the new", diff.only_new)):
        if names:
            console.print(
                f"{len(names)} nodes {title}: {escape(', '.join(names[:5]))}{' ...' if len(names) > 5 else ''}"
            )


def _verdict(report: Report) -> Panel:
    verdict, facts = report.verdict, report.facts
    style = GRADE_STYLES[verdict.grade]
    lines: list[RenderableType] = [Text(f"{verdict.grade.upper()}. {verdict.sentence}", style=style)]
    lines += [] if verdict.is_command else _step(verdict)
    for finding in verdict.findings:
        mark = SEVERITY_MARKS[finding.severity]
        lines.append(Text(f"{mark} {finding.title}", style="dim" if finding.severity == "note" else ""))
        if finding.action and finding.action != verdict.next_step:
            lines.append(Text(f"    {finding.action}", style="dim"))
    return Panel(
        Group(*lines),
        title=f"[bold]{escape(report.build.name)}[/]",
        subtitle=escape(version_text(facts)),
        title_align="left",
        subtitle_align="left",
        border_style=style,
    )


def _step(verdict: Verdict) -> list[Text]:
    """What to do next, and why."""
    return [
        Text.assemble(("next: ", "bold"), verdict.next_step),
        Text(f"      because {verdict.why}", style="dim"),
    ]


def version_text(facts: Facts) -> str:
    """March and tool versions in one line, the same order always."""
    build = facts.build
    parts = [f"march {build.march}"] if build.march else []
    versions = build.versions
    parts += [f"{label} {versions[tool]}" for tool, label in TOOLS.items() if tool in versions]
    if build.simulated:
        parts.insert(0, "simulated compiler")
    return ", ".join(parts)


def _outputs(facts: Facts) -> Table | None:
    if not facts.outputs:
        return None
    measured = facts.worst_output is not None
    columns = ["name", "role", "stride", "shape", "dtype"] + (["cosine", "L1", "largest"] if measured else []) + [""]
    table = new_table("outputs", columns, right={"cosine"})
    for output in facts.outputs:
        low = output.cosine is not None and output.cosine < OUTPUT_COSINE_GOOD
        cosine = Text(format_number(output.cosine), style="yellow" if low else "")
        table.add_row(
            escape(output.name),
            output.role or "-",
            str(output.stride or "-"),
            "x".join(map(str, output.shape)) or "-",
            output.dtype or "-",
            *((cosine, format_number(output.l1), format_number(output.chebyshev)) if measured else ()),
            {True: "dequantized on the CPU", False: "integers", None: ""}[output.dequantized_on_cpu],
        )
    return table


def _worst(facts: Facts) -> Table | None:
    rows = facts.worst_nodes[:WORST_SHOWN]
    if not rows:
        return None
    drops = facts.flow.drops if facts.flow else {}
    table = new_table(
        f"worst nodes of {len(facts.nodes)}",
        ("node", "on", "type", "cosine", "change", "threshold"),
        right={"cosine", "change", "threshold"},
    )
    for row in rows:
        fall = f"{-drops[row.name].drop:+.4f}" if row.name in drops else "-"
        table.add_row(escape(row.name), row.on, row.type, format_number(row.cosine), fall, format_short(row.threshold))
    return table


def _sensitive(facts: Facts) -> Table | None:
    result = facts.build.sensitivity
    if result is None or not result.nodes:
        return None
    columns = ("node", "op", "loss alone", "gain int16", "gain float", "extra cost", "chosen")
    table = new_table(
        f"most sensitive of {len(result.nodes)} nodes",
        columns,
        right={"loss alone", "gain int16", "gain float", "extra cost"},
    )
    for node in result.nodes[:SENSITIVE_SHOWN]:
        gains = (format_signed(node.gain_int16), format_signed(node.gain_float))
        cost = "-" if node.extra_cost is None else f"{node.extra_cost:.1%}"
        table.add_row(
            escape(node.node), escape(node.op), format_number(node.loss_alone), *gains, cost, escape(node.chosen)
        )
    return table


def baseline_text(result: Sensitivity) -> str:
    """What the sensitivity was measured by, and its value for whole models."""
    values = ", ".join(f"{name} {value:.4g}" for name, value in result.baseline.items())
    return f"{result.measure} ({values})" if values else result.measure


def _all_nodes(facts: Facts) -> Table:
    columns = ("node", "on", "subgraph", "type", "cosine", "threshold", "dtype")
    table = new_table(f"all {len(facts.nodes)} nodes", columns, right={"cosine", "threshold"})
    for row in facts.nodes:
        table.add_row(
            escape(row.name),
            row.on,
            row.subgraph,
            row.type,
            format_number(row.cosine),
            format_short(row.threshold),
            row.dtype,
        )
    return table


def _lines(report: Report) -> Table:
    """One line each, hanging: input, yaml, flow, CPU, int16, tune, calibration, speed, sources."""
    facts = report.facts
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    rows = (
        ("input", input_text(facts)),
        ("size", facts.predicted.size.words() if facts.predicted else ""),
        ("yaml", _yaml(facts)),
        ("calibration", calibration_text(facts)),
        ("flow", _flow(facts)),
        ("CPU", _cpu(facts)),
        ("int16", ", ".join(row.name for row in facts.int16_nodes[:4]) + more_rows(len(facts.int16_nodes), 4)),
        ("tune", baseline_text(facts.build.sensitivity) if facts.build.sensitivity else ""),
        *speed_lines(facts),
        ("read", ", ".join(file.path.name for file in report.build.sources)),
    )
    for name, text in rows:
        if text:
            grid.add_row(name, escape(text))
    return grid


def input_text(facts: Facts) -> str:
    """The inputs as the runtime takes them, with their colours and range, in one line."""
    build = facts.build
    if build.bin:
        return "; ".join(
            f"{i.name} {i.kind} {'x'.join(map(str, i.shape))}, trained on {i.train_kind} {i.train_layout}, "
            f"{RANGES.get(i.color_range, f'range {i.color_range}' if i.color_range else 'range not told')}"
            for i in build.bin.inputs
        )
    log = build.compile_log
    kind = build.setting("input_parameters", "input_type_rt")
    train = build.setting("input_parameters", "input_type_train")
    tensors = ", ".join(f"{t.name} {'x'.join(map(str, t.shape))}" for t in log.inputs) if log else ""
    return ", ".join(part for part in (tensors, kind, f"trained on {train}" if train else "") if part)


def _yaml(facts: Facts) -> str:
    """The yaml fields that decide most, as used."""
    log = facts.log
    if log is None:
        return ""
    keys = (
        ("input_parameters", "norm_type"),
        ("input_parameters", "scale_value"),
        ("calibration_parameters", "calibration_type"),
        ("calibration_parameters", "max_percentile"),
        ("calibration_parameters", "optimization"),
        ("compiler_parameters", "compile_mode"),
        ("compiler_parameters", "optimize_level"),
        ("model_parameters", "node_info"),
    )
    used_settings = ((key, log.setting(section, key)) for section, key in keys)
    return ", ".join(f"{key} {value[:120]}" for key, value in used_settings if value)


def _flow(facts: Facts) -> str:
    flow = facts.flow
    if flow is None or not flow.routes:
        return ""
    route: Route = min(flow.routes, key=lambda route: (route.cosine, route.output))
    first: Fall | None = flow.first
    begins = f"first falls at {first.node} (-{first.drop:.4f}); " if first else "no fall of 0.02 or more; "
    way = " > ".join(route.blocks)
    return (
        f"{begins}most of what reaches {route.output} ({route.cosine:.4f}) is lost at {route.fall.node} "
        f"(-{route.fall.drop:.4f}): {way}  [edges: {flow.source}]"
    )


def _cpu(facts: Facts) -> str:
    cpu = facts.cpu
    parts = []
    if facts.nodes:
        parts.append(
            f"{len(cpu.nodes)} of {len(facts.nodes)} nodes" + (f", {cpu.crossings} crossings" if cpu.nodes else "")
        )
    if cpu.dequantize is not None:
        parts.append(f"{cpu.dequantize} Dequantize ({cpu.dequantize_bytes / 1e6:.1f} MB a frame)")
    if facts.build.deleted_nodes:
        parts.append(f"{len(facts.build.deleted_nodes)} removed")
    if cpu.beyond_bpu_ms is not None:
        parts.append(f"{cpu.beyond_bpu_ms:.1f} ms measured beyond the BPU")
    return "; ".join(parts)


def calibration_text(facts: Facts) -> str:
    """The method behind the thresholds, what was asked for, and the samples."""
    if facts.log is None:
        return ""
    calibration = facts.log.calibration
    requested_method = (
        f" (asked for {calibration.requested})" if calibration.requested not in ("", calibration.method) else ""
    )
    samples = f", {calibration.samples} samples" if calibration.samples is not None else ""
    return f"{calibration.method}{requested_method}{samples}" if calibration.method else ""


def _changes(title: str, changes: Sequence[Change]) -> Table:
    table = new_table(title, ("", "base", "new", "change"), right={"base", "new", "change"})
    for change in changes:
        delta = change.delta
        style = "" if delta is None or title == "speed" else ("green" if delta > 0 else "red" if delta < 0 else "")
        shown = "" if delta is None else f"{delta:+.6f}".rstrip("0").rstrip(".")
        table.add_row(escape(change.name), format_cell(change.base), format_cell(change.new), Text(shown, style=style))
    return table

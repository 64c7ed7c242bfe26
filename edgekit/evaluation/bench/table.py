"""The table of a bench: as text for terminal and log, as Markdown, and as CSV with every metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.artifacts import QUANTIZED_SUFFIX
from edgekit.evaluation.bench.grid import thread_words
from edgekit.evaluation.bench.report import SIM_NOTE, BenchReport
from edgekit.evaluation.bench.row import Metric, Row

SCORE_NAMES = {
    "box": "mAP box",
    "mask": "mAP mask",
    "keypoint": "mAP points",
    "rotated box": "mAP rotated",
    "top-1": "top-1",
    "top-5": "top-5",
}
NO_SCORES = "mAP50-95"  # the column's name where nothing was scored
NONE = "-"
GAP = "  "
NAME_ENDINGS = (QUANTIZED_SUFFIX, ".onnx", ".bin", ".hbm", ".tar.gz", ".tgz")
PERCENTILES = ("p50", "p90", "p99")
ESTIMATE_LEGEND = "BPU ms: static estimate of a frame on the BPU (edgekit estimate), not a measurement"
BATCH_LEGEND = "batch: images at once; their time divided by their number"
LEGEND = "ms per image from pixels to boxes: p50, p90, p99; infer: the model's own part (p50); MB: 10^6 bytes of file"


@dataclass(frozen=True, slots=True)
class Column:
    """`text` of a row; `numeric` ones are right-aligned; those with the highest `spare` go first for lack of room."""

    name: str
    text: Callable[[Row], str]
    numeric: bool = True
    spare: int = 0
    long_name: str = ""  # where there is room


def columns_of(report: BenchReport, *, intervals: bool = False) -> tuple[Column, ...]:
    """The columns that this report has figures for; with `intervals` the scores say how sure they are."""
    names = display_names(report.shown)
    kinds = list(dict.fromkeys(kind for row in report.rows for kind in row.scores))
    scores = [Column(SCORE_NAMES[kind], _score_text(kind, intervals), long_name=long_score(kind)) for kind in kinds]
    estimated = any(row.static_ms is not None for row in report.rows)
    batched = any(row.batch > 1 for row in report.rows)
    bpu = Column("BPU ms", lambda row: _number(row.static_ms), True, 5, "BPU ms (static estimate)")
    return (
        Column("status", lambda row: row.status, numeric=False),
        Column("model", lambda row: names[row.file], numeric=False),
        Column("format", lambda row: f"{row.format} {row.precision}".strip(), numeric=False, spare=2),
        Column("device", lambda row: row.device_name + (" *" if row.simulated else ""), numeric=False),
        Column("WxH", lambda row: "{}x{}".format(*row.size_wh) if row.size_wh else NONE),
        Column("threads", lambda row: str(row.threads or NONE)),
        *([Column("batch", lambda row: str(row.batch))] if batched else []),
        Column("MB", lambda row: _number(row.size_mb, 1), spare=1),
        *(_size_columns() if any(row.layers for row in report.rows) else ()),
        *(scores or [Column(NO_SCORES, lambda row: NONE)]),
        *([bpu] if estimated else []),
        Column("infer", lambda row: _number(_infer_ms(row)), True, 4, "ms infer"),
        Column("ms p50", lambda row: _number(row.total.p50 if row.total else None)),
        Column("p90", lambda row: _number(row.total.p90 if row.total else None), True, 3, "ms p90"),
        Column("p99", lambda row: _number(row.total.p99 if row.total else None), long_name="ms p99"),
        Column("frames/s", lambda row: _number(row.fps)),
    )


def _size_columns() -> tuple[Column, ...]:
    return (
        Column("layers", lambda row: str(row.layers or NONE), True, 8),
        Column("Mparam", lambda row: _number(row.parameters / 1e6 if row.parameters else None), True, 7),
        Column("GFLOPs", lambda row: _number(row.gflops), True, 6),
    )


def long_score(kind: str) -> str:
    """A score's name with the measure in full: "mAP50-95 box"."""
    return SCORE_NAMES[kind].replace("mAP", NO_SCORES)


def display_names(rows: Sequence[Row]) -> dict[str, str]:
    """Short names by file: without the endings that the format says, where they stay apart."""
    formats = {row.file: (row.format, row.precision) for row in rows}
    short = {row.file: _short(row.model) for row in rows}
    taken: dict[tuple[str, tuple[str, str]], list[str]] = {}
    for file, name in short.items():
        taken.setdefault((name, formats[file]), []).append(file)
    return {file: name if len(taken[name, formats[file]]) == 1 else file for file, name in short.items()}


def text_table(report: BenchReport, *, width: int | None = None) -> str:
    """The table with its legend and what went wrong; `width` is the room, for which some columns are given up."""
    columns = list(columns_of(report))
    lines = _aligned(columns, report.shown)
    while width is not None and len(lines[0]) > width and any(column.spare for column in columns):
        columns.remove(max(columns, key=lambda column: column.spare))
        lines = _aligned(columns, report.shown)
    return "\n".join([headline(report), *lines, *notes_of(report), *trouble_lines(report)])


def headline(report: BenchReport) -> str:
    """What the table is of, in one line."""
    scored = f"mAP50-95 in % on {report.images} images" if report.images else "no mAP without labels (--data)"
    return f"{scored}; times on {report.timing_images}"


def notes_of(report: BenchReport) -> list[str]:
    """What must be known before a figure is read."""
    estimated = any(row.static_ms is not None for row in report.rows)
    batched = any(row.batch > 1 for row in report.rows)
    legends = [LEGEND, *([BATCH_LEGEND] if batched else []), *([ESTIMATE_LEGEND] if estimated else [])]
    return [*legends, *([SIM_NOTE] if report.simulated else []), *report.notes]


def trouble_lines(report: BenchReport) -> list[str]:
    """Two lines for each row that is not as asked for."""
    lines = []
    for row in report.troubles:
        lines += [f"{row.status}: {title_of(row)}", f"  error: {row.error}", f"  hint: {row.hint}"]
    return lines


def title_of(row: Row) -> str:
    """A row in words."""
    size = " at {}x{}".format(*row.size_wh) if row.size_wh else ""
    return (
        f"{row.model}{size} on {row.device_name}"
        + (f" with {thread_words(row.threads)}" if row.threads else "")
        + (f", batch {row.batch}" if row.batch > 1 else "")
    )


def markdown(report: BenchReport, *, plot: str = "") -> str:
    """The whole report as a page; `plot` is the name of the image beside it."""
    columns = columns_of(report, intervals=True)
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items() if value)
    settings = report.request["settings"]
    lines = ["# edgekit bench", "", f"{report.started}; {machine}.", "", f"{headline(report)}.", ""]
    lines.append("| " + " | ".join(column.long_name or column.name for column in columns) + " |")
    lines.append("|" + "|".join("---:" if column.numeric else "---" for column in columns) + "|")
    lines += ["| " + " | ".join(_escaped(column.text(row)) for column in columns) + " |" for row in report.shown]
    lines += ["", *(f"- {_escaped(note)}" for note in notes_of(report))]
    if report.images:
        lines.append(
            "- in brackets: the 95 % bootstrap interval over images; how sure the difference of two models is says "
            "edgekit eval --against, on the same images"
        )
    lines.append(
        f"- {settings['frames']} frames timed after {settings['warmup']} of warm-up, score threshold "
        f"{settings['conf']:g}, NMS overlap {settings['iou']:g}; scores at the published settings (0.001, 0.7)"
    )
    if plot:
        lines += ["", f"![{'mAP against latency' if report.images else 'latency'}]({plot})"]
    if report.troubles:
        lines += ["", "## Not as asked for", ""]
        for row in report.troubles:
            lines += [f"- **{row.status}**: {_escaped(title_of(row))}", f"  - error: {_escaped(row.error)}"]
            lines.append(f"  - hint: {_escaped(row.hint)}")
    remarks = {note: row.model for row in reversed(report.rows) for note in row.notes}
    if remarks:
        lines += ["", "## Notes", "", *(f"- {_escaped(m)}: {_escaped(note)}" for note, m in reversed(remarks.items()))]
    return "\n".join(lines) + "\n"


def csv_text(report: BenchReport) -> str:
    """One line per row with every figure; empty fields where there is none."""
    flat = [_flat(row) for row in report.shown]
    names = dict.fromkeys(name for row in flat for name in row)
    last = ("error", "hint")
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*(n for n in names if n not in last), *last], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return stream.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    width, height = row.size_wh or ("", "")
    values: dict[str, Any] = {
        "status": row.status,
        "model": row.model,
        "file": row.file,
        "format": row.format,
        "precision": row.precision,
        "device": row.device_name,
        "simulated": str(row.simulated).lower(),
        "width": width,
        "height": height,
        "threads": row.threads or "",
        "batch": row.batch,
        "size_mb": row.size_mb,
        "layers": row.layers or "",
        "parameters": row.parameters or "",
        "gflops": row.gflops,
        "static_estimate_ms": row.static_ms,
    }
    for kind, metric in row.scores.items():
        values |= _flat_metric(kind.replace(" ", "_"), metric)
    for stage, latency in ({**row.stages, "total": row.total} if row.total else {}).items():
        assert latency is not None
        prefix = "" if stage == "total" else f"{stage}_"
        figures = PERCENTILES if stage != "total" else (*PERCENTILES, "mean", "min", "max")
        values |= {f"{prefix}{name}_ms": round(getattr(latency, name), 3) for name in figures}
    values |= {"fps": None if row.fps is None else round(row.fps, 2), "frames": row.frames or ""}
    return {**values, "images": row.images or "", "error": row.error, "hint": row.hint}


def _flat_metric(kind: str, metric: Metric) -> dict[str, Any]:
    values = {
        f"{metric.measure}_{kind}": metric.value,
        f"{metric.measure}_{kind}_low": metric.low,
        f"{metric.measure}_{kind}_high": metric.high,
        f"mAP50_{kind}": metric.map50,
    }
    return {name: value for name, value in values.items() if value is not None}


def _aligned(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    cells = [[column.name for column in columns], *([column.text(row) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = [
        GAP.join(
            cell.rjust(width) if column.numeric else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        for line in cells
    ]
    return [lines[0], "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]


def _score_text(kind: str, intervals: bool) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        metric = row.scores.get(kind)
        if metric is None or metric.value is None:
            return NONE
        sure = f" [{100 * metric.low:.1f}, {100 * metric.high:.1f}]" if metric.low is not None and metric.high else ""
        return f"{100 * metric.value:.1f}" + (sure if intervals else "")

    return text


def _short(name: str) -> str:
    return next((name.removesuffix(end) for end in NAME_ENDINGS if name.endswith(end) and name != end), name)


def _infer_ms(row: Row) -> float | None:
    return row.stages["infer"].p50 if "infer" in row.stages else None  # rows of an earlier run may lack it


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return NONE
    if digits is None:
        digits = 2 if value < 10 else 1
    return f"{value:.{digits}f}"


def _escaped(text: str) -> str:
    """As a cell of a Markdown table shows it literally."""
    for special in "\\|*_<`":
        text = text.replace(special, f"\\{special}")
    return text.replace("\n", " ")

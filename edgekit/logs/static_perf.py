"""The compiler's static performance file (`main_graph_subgraph_0.json`): the BPU's time and memory traffic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.logs.numbers import finite

MICROSECONDS = re.compile(r"\s*([\d,.]+)\s*us\b")
LAYER_KEYS = ("layer", "layer name")
MAX_LAYERS = 100_000


@dataclass(frozen=True, slots=True)
class LayerTime:
    """A layer's share: `compute_us` without memory, `transfer_us` for loads and stores; they overlap in time."""

    name: str
    ops: int
    compute_us: float
    transfer_us: float


@dataclass(frozen=True, slots=True)
class StaticPerf:
    """One BPU sub-graph, per frame at full clock. `layers` is empty unless the yaml has debug: True.

    `utilization` is the computing units' share of busy time per interval of `interval_ms`.
    """

    subgraph: str
    march_code: str
    hbdk: str
    fps: float
    latency_us: float
    ddr_bytes: int
    loaded_bytes: int
    stored_bytes: int
    ops: int
    interval_ms: float
    utilization: tuple[float, ...]
    load_mb_s: tuple[float, ...]
    store_mb_s: tuple[float, ...]
    layers: tuple[LayerTime, ...]


def is_static_perf(value: object) -> bool:
    """Whether a JSON value has this file's shape."""
    summary = value.get("summary") if isinstance(value, dict) else None
    return isinstance(summary, dict) and any(key in summary for key in ("FPS", "frame per second"))


def read_static_perf(path: Path) -> StaticPerf:
    """Read the file; raises DataError where it is none."""
    value = read_json(path)
    if not is_static_perf(value):
        raise DataError(
            f"{path} has no summary with an FPS, expected a static performance file",
            hint="give main_graph_subgraph_0.json as hb_mapper wrote it",
        )
    return parse_static_perf(value["summary"])  # type: ignore[index]


def parse_static_perf(summary: Mapping[str, object]) -> StaticPerf:
    """Take what is a number where a number is expected; the rest counts as 0 or empty."""
    fps = _number(summary.get("FPS", summary.get("frame per second")))
    return StaticPerf(
        subgraph=str(summary.get("model name", "")),
        march_code=str(summary.get("BPU march", "")),
        hbdk=str(summary.get("HBDK version", "")),
        fps=fps,
        latency_us=_number(summary.get("latency (us)")),
        ddr_bytes=int(_number(summary.get("DDR bytes per frame"))),
        loaded_bytes=int(_number(summary.get("loaded bytes per frame"))),
        stored_bytes=int(_number(summary.get("stored bytes per frame"))),
        ops=int(_number(summary.get("BPU OPs per frame (effective)"))),
        interval_ms=_number(summary.get("interval time (ms)")),
        utilization=_numbers(summary.get("interval computing unit utilization")),
        load_mb_s=_numbers(summary.get("interval loading bandwidth (megabytes/s)")),
        store_mb_s=_numbers(summary.get("interval storing bandwidth (megabytes/s)")),
        layers=_layers(summary.get("layer details")),
    )


def _layers(table: object) -> tuple[LayerTime, ...]:
    """Rows as lists below a heading, or as objects; columns are found by name, since versions add some."""
    if not isinstance(table, list) or not table:
        return ()
    if all(isinstance(row, dict) for row in table):
        rows = table
    else:
        heading = [str(cell) for cell in table[0]] if isinstance(table[0], list) else []
        rows = [
            dict(zip(heading, row, strict=False))
            for row in table[1:]
            if isinstance(row, list) and len(row) == len(heading)
        ]
    return tuple(layer for row in rows[:MAX_LAYERS] if (layer := _layer(row)) is not None)


def _layer(row: Mapping[str, object]) -> LayerTime | None:
    name = next((str(row[key]) for key in LAYER_KEYS if key in row), "")
    if not name:
        return None
    ops = str(row.get("ops", "0")).replace(",", "")
    transfer = sum(_us(row.get(key)) for key in ("load/store cost", "load cost", "store cost"))
    return LayerTime(
        name, int(ops) if ops.isdecimal() and len(ops) < 19 else 0, _us(row.get("computing cost (no DDR)")), transfer
    )


def _us(cell: object) -> float:
    match = MICROSECONDS.match(str(cell)) if cell is not None else None
    return (finite(match[1].replace(",", "")) or 0.0) if match else 0.0


def _number(value: object) -> float:
    return 0.0 if isinstance(value, str) else finite(value) or 0.0


def _numbers(value: object) -> tuple[float, ...]:
    return tuple(_number(item) for item in value[:MAX_LAYERS]) if isinstance(value, list) else ()

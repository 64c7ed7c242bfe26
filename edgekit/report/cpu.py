"""What runs on the board's CPU and what that costs: nodes, crossings, Dequantize nodes, measured time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from edgekit.logs.hrt_model_exec import BoardPerfRun
from edgekit.logs.tables import NodeRow
from edgekit.report.build import Build
from edgekit.report.outputs import Output, dequantized_bytes


@dataclass(frozen=True, slots=True)
class CpuCost:
    """`nodes` are the table's CPU rows, `inner` those with BPU work behind them; each of `crossings` copies a
    tensor between the two. `dequantize` counts the nodes at the outputs (None where no file tells) with the
    `dequantize_bytes` they move per frame; `beyond_bpu_ms` is the measured latency of one thread above the static
    estimate: CPU nodes, copies and scheduling together.
    """

    nodes: tuple[NodeRow, ...]
    inner: tuple[NodeRow, ...]
    crossings: int
    subgraphs: int
    dequantize: int | None
    dequantize_bytes: int
    beyond_bpu_ms: float | None


def count_cpu(build: Build, outputs: tuple[Output, ...]) -> CpuCost:
    """Count from the node table, the outputs' kinds and the measurements, whichever there are."""
    rows = build.compile_log.nodes if build.compile_log else ()
    cpu = tuple(row for row in rows if row.on == "CPU")
    last_bpu = max((i for i, row in enumerate(rows) if row.on == "BPU"), default=-1)
    devices = [row.on for row in rows]
    known = [output.dequantized_on_cpu for output in outputs if output.dequantized_on_cpu is not None]
    return CpuCost(
        nodes=cpu,
        inner=tuple(row for i, row in enumerate(rows) if row.on == "CPU" and i < last_bpu),
        crossings=sum(a != b for a, b in pairwise(devices)),
        subgraphs=len({row.subgraph for row in rows if row.on == "BPU" and row.subgraph}),
        dequantize=sum(known) if known else None,
        dequantize_bytes=dequantized_bytes(outputs),
        beyond_bpu_ms=_beyond_bpu_ms(build),
    )


def single_thread(build: Build) -> BoardPerfRun | None:
    """The measured run of one thread: the only one whose latency is that of a lone frame."""
    return next((run for run in build.perf if run.threads == 1 and run.latency_ms), None)


def _beyond_bpu_ms(build: Build) -> float | None:
    run, estimate = single_thread(build), build.estimate
    if run is None or run.latency_ms is None or estimate is None:
        return None
    return run.latency_ms - estimate.latency_us / 1000

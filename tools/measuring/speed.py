"""Ratios of tools/bench.py, several runs of each: the median with the lowest and the highest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from statistics import median

from edgekit.cores import cores
from edgekit.errors import DataError
from measuring.runs import make_table, run_json
from measuring.table import Cell, Column, Span, Table

RUNS = 3
NEEDS_IDLE, MAX_LOAD = ("pipeline",), 0.5  # ratios to a clock; the other benches slow down on both sides alike
MODIFIED = "heads of the shared modified .bin: boxes and coefficients int32"
# Per bench: the ratios shown, as the bench names them, and what they are called here.
ROWS: Mapping[str, Mapping[str, str]] = {
    "sim": {
        "nv12: fast / float32": "simulated BPU, nv12 yolov8n-seg: its time over onnxruntime's float32 run",
        "rgb: fast / float32": "simulated BPU, rgb yolov8n-seg: the same",
        "nv12: reference / fast": "plain reference over the fast execution, nv12",
        "rgb: reference / fast": "plain reference over the fast execution, rgb",
    },
    "decode": {
        "float heads: edgekit / one max pass over the class tensors": "float heads: edgekit over one `max` pass",
        "float heads: plain flow / edgekit": "float heads: a flow that decodes every cell over edgekit",
        "float heads: 300 / 10 cells through the gate": "float heads: 300 cells through the gate over 10",
        "float heads: by numpy / one max pass": "float heads: edgekit without compiled kernels over one `max` pass",
        f"{MODIFIED}: edgekit / one max pass over the class tensors": (
            "heads of a modified `.bin`: edgekit over one `max` pass"
        ),
        "all heads as integers: edgekit / one max pass over the class tensors": (
            "all heads as integers: edgekit over one `max` pass"
        ),
    },
    "prepare": {
        "rgb: plain / edgekit": "rgb: plain cv2 with fresh arrays over edgekit",
        "nv12: plain full range / edgekit": "nv12, full range: plain cv2 over edgekit",
        "nv12: plain studio range / edgekit (other colours)": "nv12, studio range (other colours): plain cv2 over it",
    },
    "pipeline": {
        "pipeline / device": "live run on a timed stand-in (5.5 ms, two at once): share of the device's own rate",
        "serial / device": "the same work done serially",
        "two models, three sources: device busy": "two models on three sources: share of the time the device is busy",
    },
}
OPTIONS: Mapping[str, Sequence[str]] = {"pipeline": ("--seconds", "20")}


def measure_speed(bench: str) -> Table:
    """Run a bench RUNS times and return the rows that are shown."""
    if bench in NEEDS_IDLE and hasattr(os, "getloadavg") and os.getloadavg()[0] > MAX_LOAD * cores():
        raise DataError(
            f"the machine's load is {os.getloadavg()[0]:.1f}, expected {MAX_LOAD * cores():.1f} or less for {bench}",
            hint="measure again when nothing else runs: this bench waits for a clock while others take the processor",
        )
    command = ["tools/bench.py", bench, *OPTIONS.get(bench, ()), "--json"]
    runs = [run_json(command)["ratios"] for _ in range(RUNS)]
    format = "percent" if bench == "pipeline" else "ratio"
    rows: list[list[Cell]] = [
        [title, Span(median(values), min(values), max(values))]
        for name, title in ROWS[bench].items()
        if (values := [run[name] for run in runs if name in run])
    ]
    columns = (Column("what"), Column("ratio", format))
    shown = " ".join(["python", *command[:-1]])
    return make_table(shown, columns, rows, interval=f"lowest and highest of {RUNS} runs, the median before")

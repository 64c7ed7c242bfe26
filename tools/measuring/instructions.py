"""Instructions of aarch64 that decoding takes, by `tools/bench.py instructions`."""

from __future__ import annotations

from measuring.runs import make_table, run_json
from measuring.table import Cell, Column, Table

COMMAND = ("tools/bench.py", "instructions")
MILLIONS, RATIO = ", million", " / max"
WAYS = {"max": "one `max` pass over the class tensors", "compiled": "compiled decode", "numpy": "decode by numpy"}


def measure_instructions() -> Table:
    """Thousands of instructions of each way on each frame, and as many max passes."""
    values = run_json([*COMMAND, "--json"])["ratios"]
    rows: list[list[Cell]] = []
    for name, million in values.items():
        if name.endswith(MILLIONS):
            frame, _, way = name.removesuffix(MILLIONS).partition(": ")
            title = f"{frame}: {WAYS.get(way, way)}"
            rows.append([title, round(1000 * million), values[f"{frame}: {way}{RATIO}"]])
    columns = (Column("what"), Column("thousand instructions", "count"), Column("`max` passes", "ratio"))
    return make_table(" ".join(["python", *COMMAND]), columns, rows)

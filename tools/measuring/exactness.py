"""Integers of the simulated BPU that differ from those of the vendor's executor, in the shared golden outputs."""

from __future__ import annotations

import numpy as np
from benches.heads import COMPILED, GOLDEN

from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph, strip_dequantize
from measuring.accuracy import RGB
from measuring.runs import make_table
from measuring.table import Cell, Column, Table


def measure_golden() -> Table:
    """Compare every integer of every output of both really compiled graphs on the golden images."""
    rows: list[list[Cell]] = []
    for kind, path in (("nv12", COMPILED), ("rgb", RGB)):
        graph = load_graph(path)
        raw = strip_dequantize(graph, [node.name for node in graph.nodes if node.op_type == "HzDequantize"])
        executor = make_executor(raw)
        for golden in sorted(GOLDEN.glob(f"{kind}_*.npz")):
            with np.load(golden, allow_pickle=False) as archive:
                integers = executor.run({"images": archive["input"]})
                different = sum(int(np.sum(value != archive[f"int:{name}"])) for name, value in integers.items())
            compared = sum(value.size for value in integers.values())
            rows.append([f"yolov8n-seg {kind}, image {golden.stem.partition('_')[2]}", compared, different])
    rows.append(["all", *(sum(int(str(row[i])) for row in rows) for i in (1, 2))])
    columns = (Column("outputs"), Column("integers", "count"), Column("different", "count"))
    return make_table("python tools/measure.py golden", columns, rows)

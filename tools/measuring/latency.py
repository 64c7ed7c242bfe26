"""Errors of the latency model on model families that its fit had not met: those of the parameters in use."""

from __future__ import annotations

from typing import Any

from measuring.runs import make_table, run_json
from measuring.table import Cell, Column, Table

COMMAND = "python tools/fit_latency.py --check"


def measure_latency() -> Table:
    """The summary for frames of int8 and with 16 bits."""
    check = _check()
    rows: list[list[Cell]] = [
        [title, band["builds"], band["median"], band["worst"], band["rank"], band["band"]]
        for title, band in (("int8", check["int8"]), ("with 16 bits", check["int16"]))
    ]
    columns = (
        Column("frames at O3"),
        Column("builds", "count"),
        Column("median error", "percent"),
        Column("worst error", "percent"),
        Column("rank correlation of layers", "cosine"),
        Column("printed band", "percent"),
    )
    return make_table(COMMAND, columns, rows)


def measure_latency_frames() -> Table:
    """Every compiled frame, beside its estimate by a fit without its family."""
    return _builds("frame", _check()["builds"])


def measure_latency_layers() -> Table:
    """The computing of all layers, without memory: more builds have these times than have frames."""
    return _builds("computing of all layers", _check()["sums"])


def _check() -> dict[str, Any]:
    return run_json([*COMMAND.split()[1:], "--json"])


def _builds(what: str, builds: list[dict[str, Any]]) -> Table:
    rows: list[list[Cell]] = [
        [
            build["name"],
            build["compiled_us"] / 1000,
            build["left_out_us"] / 1000,
            build["left_out_us"] / build["compiled_us"] - 1,
        ]
        for build in builds
    ]
    columns = (Column(what), Column("compiled", "ms"), Column("estimated", "ms"), Column("error", "signed percent"))
    return make_table(COMMAND, columns, rows)

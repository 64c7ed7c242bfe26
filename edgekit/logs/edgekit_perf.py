"""What `edgekit perf` wrote on the board: the inference stage of each run, as the vendor's tool would tell it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import DataError
from edgekit.files import read_json
from edgekit.logs.hrt_model_exec import BoardLog, BoardPerfRun
from edgekit.logs.numbers import finite

BOARD = "bpu"


def is_edgekit_perf(value: object) -> bool:
    """Whether a JSON value is a report of `edgekit perf`, of whatever device."""
    return isinstance(value, dict) and {"edgekit", "model", "device", "runs", "machine"} <= value.keys()


def read_edgekit_perf(path: Path) -> BoardLog:
    """Read the file; raises DataError where it is none, or was not measured on a board."""
    value = read_json(path)
    if not isinstance(value, dict) or not is_edgekit_perf(value):
        raise DataError(f"{path} is no report of edgekit perf", hint="give the file that edgekit perf -o wrote")
    if value["device"] != BOARD:
        raise DataError(
            f"{path} was measured on {str(value['device'])[:40]!r}, expected the board ({BOARD})",
            hint="run edgekit perf on the board: other devices say nothing of its speed",
        )
    model = str(value["model"])
    runs = [_run(model, run) for run in _list(value["runs"]) if isinstance(run, dict)]
    return BoardLog(
        model=model.removesuffix(".bin"),
        versions={},
        builder="",
        soc="",
        load_ms=None,
        inputs=(),
        outputs=(),
        perf=tuple(run for run in runs if run.fps is not None or run.latency_ms is not None),
        failure=None,
        notes=(),
    )


def _run(model: str, run: Mapping[str, object]) -> BoardPerfRun:
    stages = run.get("stages")
    infer = stages.get("infer") if isinstance(stages, dict) else None
    infer = infer if isinstance(infer, dict) else {}
    threads, frames = _number(run.get("threads")), _number(run.get("frames"))
    return BoardPerfRun(
        model=model.removesuffix(".bin"),
        threads=None if threads is None else int(threads),
        frames=None if frames is None else int(frames),
        latency_ms=_number(infer.get("mean")),
        latency_min_ms=_number(infer.get("min")),
        latency_max_ms=_number(infer.get("max")),
        fps=_number(run.get("fps")),
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return None if isinstance(value, str) else finite(value)

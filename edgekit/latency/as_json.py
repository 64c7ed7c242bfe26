"""An estimate as plain JSON values (schema `edgekit.estimate/1`; within a version fields are only added)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgekit.latency.board import board_figures
from edgekit.latency.estimate import Estimate, time_by_bound
from edgekit.latency.parameters import LatencyParameters
from edgekit.records import envelope

__all__ = ["KIND", "estimate_json"]

KIND = "estimate"
DIGITS = 3


def estimate_json(estimate: Estimate, parameters: LatencyParameters, *, model: str) -> dict[str, Any]:
    """Describe an estimate.

    Args:
        estimate: The estimate.
        parameters: What it was made with.
        model: The file, as it was given.

    Returns:
        Plain values; times in the unit that the name says, `error_band` a share.
    """
    return {
        **envelope(KIND),
        "kind": "static estimate",
        "model": model,
        "march": estimate.march,
        "task": estimate.task,
        "compiler": parameters.compiler,
        "parameters_version": parameters.version,
        "fps": round(estimate.fps, DIGITS),
        "frame_ms": _ms(estimate.frame_us),
        "frame_ms_low": _ms(estimate.low_us),
        "frame_ms_high": _ms(estimate.high_us),
        "error_band": round(estimate.band, DIGITS + 1),
        "cross_validation": {"int8": asdict(parameters.int8), "int16": asdict(parameters.int16)},
        "ddr_bytes": estimate.ddr_bytes,
        "board": asdict(board_figures(estimate.frame_us, estimate.band, estimate.task)),
        "time_by_bound_ms": {bound: _ms(us) for bound, us in time_by_bound(estimate)},
        "cpu_nodes": list(estimate.cpu_nodes),
        "cpu_ms_at_least": _ms(estimate.cpu_us),
        "notes": list(estimate.notes),
        "layers": [
            {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in asdict(layer).items()}
            for layer in estimate.layers
        ],
    }


def _ms(microseconds: float) -> float:
    return round(microseconds / 1e3, DIGITS + 1)

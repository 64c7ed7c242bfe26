"""Milliseconds before the board: a latency model of the BPU, fitted to the vendor's static performance files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.latency.estimate import Estimate, LayerEstimate, estimate_model
    from edgekit.latency.parameters import LatencyParameters, load_parameters

__all__ = ["Estimate", "LatencyParameters", "LayerEstimate", "estimate_model", "load_parameters"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Estimate": "edgekit.latency.estimate",
        "LatencyParameters": "edgekit.latency.parameters",
        "LayerEstimate": "edgekit.latency.estimate",
        "estimate_model": "edgekit.latency.estimate",
        "load_parameters": "edgekit.latency.parameters",
    },
)

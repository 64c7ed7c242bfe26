"""The simulated BPU: exact integer execution of quantized graphs, its compiler and its `.bin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.sim.container import SimBin, read_sim_bin, write_sim_bin
    from edgekit.sim.device import SimDevice, open_sim_device
    from edgekit.sim.executor import Executor, ReferenceExecutor
    from edgekit.sim.fast import make_executor
    from edgekit.sim.graph import Graph, load_graph, strip_dequantize
    from edgekit.sim.verify_model import Verification, verify_model

__all__ = [
    "Executor",
    "Graph",
    "ReferenceExecutor",
    "SimBin",
    "SimDevice",
    "Verification",
    "load_graph",
    "make_executor",
    "open_sim_device",
    "read_sim_bin",
    "strip_dequantize",
    "verify_model",
    "write_sim_bin",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Executor": "edgekit.sim.executor",
        "Graph": "edgekit.sim.graph",
        "ReferenceExecutor": "edgekit.sim.executor",
        "SimBin": "edgekit.sim.container",
        "SimDevice": "edgekit.sim.device",
        "Verification": "edgekit.sim.verify_model",
        "load_graph": "edgekit.sim.graph",
        "make_executor": "edgekit.sim.fast",
        "open_sim_device": "edgekit.sim.device",
        "read_sim_bin": "edgekit.sim.container",
        "strip_dequantize": "edgekit.sim.graph",
        "verify_model": "edgekit.sim.verify_model",
        "write_sim_bin": "edgekit.sim.container",
    },
)

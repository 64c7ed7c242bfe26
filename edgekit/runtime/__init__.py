"""Sessions on a device: the board, the simulated BPU or onnxruntime; sources of frames; the live pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.runtime.device import Device, TensorInfo
    from edgekit.runtime.perf import PerfRun, measure
    from edgekit.runtime.pipeline import Done, run_pipeline
    from edgekit.runtime.recovering_session import RecoveringSession
    from edgekit.runtime.registry import OpenModel, available_devices, known_devices, open_model
    from edgekit.runtime.session import Session, load
    from edgekit.runtime.sources import Frame, Source, open_source

__all__ = [
    "Device",
    "Done",
    "Frame",
    "OpenModel",
    "PerfRun",
    "RecoveringSession",
    "Session",
    "Source",
    "TensorInfo",
    "available_devices",
    "known_devices",
    "load",
    "measure",
    "open_model",
    "open_source",
    "run_pipeline",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Device": "edgekit.runtime.device",
        "Done": "edgekit.runtime.pipeline",
        "Frame": "edgekit.runtime.sources",
        "OpenModel": "edgekit.runtime.registry",
        "PerfRun": "edgekit.runtime.perf",
        "RecoveringSession": "edgekit.runtime.recovering_session",
        "Session": "edgekit.runtime.session",
        "Source": "edgekit.runtime.sources",
        "TensorInfo": "edgekit.runtime.device",
        "available_devices": "edgekit.runtime.registry",
        "known_devices": "edgekit.runtime.registry",
        "load": "edgekit.runtime.session",
        "measure": "edgekit.runtime.perf",
        "open_model": "edgekit.runtime.registry",
        "open_source": "edgekit.runtime.sources",
        "run_pipeline": "edgekit.runtime.pipeline",
    },
)

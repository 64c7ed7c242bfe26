"""What computes a model, as every result and table names it."""

from __future__ import annotations

__all__ = ["BPU", "FLOAT", "SIMULATED", "device_tag", "is_float_kind"]

BPU = "bpu"
SIMULATED = ("sim", "hbdk-sim")
FLOAT = "onnxruntime"  # on the CPU; "onnxruntime-cuda" and the like on another provider

_TAGS = {"sim": "simulated int8", "hbdk-sim": "simulated int8 (hbdk-sim)"}


def is_float_kind(kind: str) -> bool:
    """Return whether a device of this kind runs float models."""
    return kind.split("-")[0] == FLOAT


def device_tag(kind: str) -> str:
    """Return what an image or a table says of the device: "simulated int8", "float (onnxruntime-cuda)", "bpu"."""
    return f"float ({kind})" if is_float_kind(kind) else _TAGS.get(kind, kind)

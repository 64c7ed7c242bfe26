"""edgekit: from a stock YOLO ONNX to an int8 model on the edge board, or on any computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.ops.image import read_image
    from edgekit.runtime.session import Session, load

__all__ = ["Session", "__version__", "load", "read_image"]

_HOMES = {
    "load": "edgekit.runtime.session",
    "Session": "edgekit.runtime.session",
    "read_image": "edgekit.ops.image",
}


def __getattr__(name: str) -> Any:  # lazily, so that `edgekit --help` does not wait for cv2
    if name not in _HOMES:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)

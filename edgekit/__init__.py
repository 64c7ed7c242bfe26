"""edgekit: from a stock YOLO ONNX to an int8 model on the edge board, or on any computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.ops.image import read_image
    from edgekit.runtime.session import Session, load

__all__ = ["Session", "__version__", "load", "read_image"]

__getattr__ = lazy_exports(  # so that `edgekit --help` does not wait for cv2
    __name__,
    {
        "Session": "edgekit.runtime.session",
        "load": "edgekit.runtime.session",
        "read_image": "edgekit.ops.image",
    },
)

"""A `.bin`, quantized graph or float ONNX as a model of the Ultralytics package: predict, val and track.

>>> from edgekit.integrations.ultralytics import EdgekitYOLO
>>> model = EdgekitYOLO("yolov8n_seg.bin")
>>> results = model.predict("street.jpg")
>>> metrics = model.val(data="coco8-seg.yaml")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgekit.errors import ConfigError
from edgekit.results import Results
from edgekit.results.frame import Image

if TYPE_CHECKING:
    from edgekit.integrations.ultralytics.model import EdgekitYOLO

__all__ = ["EdgekitYOLO", "to_ultralytics"]

HOMES = {"EdgekitYOLO": "edgekit.integrations.ultralytics.model"}


def __getattr__(name: str) -> Any:
    """Import what subclasses Ultralytics' classes when it is used; raises ConfigError where they are missing."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(HOMES[name]), name)
    except ImportError as error:
        if (error.name or "").startswith("edgekit"):
            raise
        raise ConfigError(
            f"{error.name or 'ultralytics'} cannot be imported ({error}), {name} needs Ultralytics 8.3 or later",
            hint="pip install ultralytics",
        ) from error


def to_ultralytics(results: Results, bgr: Image, *, path: str = "") -> Any:
    """Convert results of any task to `ultralytics.engine.results.Results`.

    Args:
        results: Of one image.
        bgr: (h, w, 3) uint8, that image.
        path: Where it came from, for their messages and file names.

    Returns:
        Their results, with boxes, masks, key points, rotated boxes or probabilities in pixels of the image.

    Raises:
        DeviceError: torch or Ultralytics is not installed.
    """
    return results.to_ultralytics(bgr, path=path)

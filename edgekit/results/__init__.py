"""What a model found in one image: columns, one row per object, in pixels of the original image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.results.classifications import TOP_CLASSES, Classifications, Results
    from edgekit.results.depth import DepthMap
    from edgekit.results.detections import MASK_FORMATS, NO_TRACK, Detections, concatenate
    from edgekit.results.poses import Poses
    from edgekit.results.raw_outputs import RawOutputs
    from edgekit.results.rotated import RotatedDetections
    from edgekit.results.segmentations import Segmentations
    from edgekit.results.semantic import SemanticMap

__all__ = [
    "MASK_FORMATS",
    "NO_TRACK",
    "TOP_CLASSES",
    "Classifications",
    "DepthMap",
    "Detections",
    "Poses",
    "RawOutputs",
    "Results",
    "RotatedDetections",
    "Segmentations",
    "SemanticMap",
    "concatenate",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "MASK_FORMATS": "edgekit.results.detections",
        "NO_TRACK": "edgekit.results.detections",
        "TOP_CLASSES": "edgekit.results.classifications",
        "Classifications": "edgekit.results.classifications",
        "DepthMap": "edgekit.results.depth",
        "Detections": "edgekit.results.detections",
        "Poses": "edgekit.results.poses",
        "RawOutputs": "edgekit.results.raw_outputs",
        "Results": "edgekit.results.classifications",
        "RotatedDetections": "edgekit.results.rotated",
        "Segmentations": "edgekit.results.segmentations",
        "SemanticMap": "edgekit.results.semantic",
        "concatenate": "edgekit.results.detections",
    },
)

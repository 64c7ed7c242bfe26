"""edgekit: from a stock YOLO ONNX to an int8 model on the edge board, or on any computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports
from edgekit.version import __version__

if TYPE_CHECKING:
    from edgekit.calibration.pipeline import CalibrationSet, calibrate
    from edgekit.compilation.build import CompileResult
    from edgekit.compilation.build import compile_model as compile
    from edgekit.decode.plan import DecodeOptions
    from edgekit.errors import (
        ConfigError,
        DataError,
        DeviceError,
        EdgekitError,
        ImageError,
        ModelError,
        NoBoardLibrary,
        OutputError,
        ToolchainError,
        UnfitError,
    )
    from edgekit.evaluation.label_reader import load_labels
    from edgekit.evaluation.options import EvaluateOptions
    from edgekit.evaluation.run import evaluate
    from edgekit.evaluation.scores import Evaluation
    from edgekit.ops.image import read_image
    from edgekit.results.classifications import Classifications, Results
    from edgekit.results.detections import Detections
    from edgekit.results.poses import Poses
    from edgekit.results.rotated import RotatedDetections
    from edgekit.results.segmentations import Segmentations
    from edgekit.runtime.session import Session, load
    from edgekit.tuning.options import TuneOptions
    from edgekit.tuning.report import TuneResult
    from edgekit.tuning.run import tune

__all__ = [
    "CalibrationSet",
    "Classifications",
    "CompileResult",
    "ConfigError",
    "DataError",
    "DecodeOptions",
    "Detections",
    "DeviceError",
    "EdgekitError",
    "EvaluateOptions",
    "Evaluation",
    "ImageError",
    "ModelError",
    "NoBoardLibrary",
    "OutputError",
    "Poses",
    "Results",
    "RotatedDetections",
    "Segmentations",
    "Session",
    "ToolchainError",
    "TuneOptions",
    "TuneResult",
    "UnfitError",
    "__version__",
    "calibrate",
    "compile",
    "evaluate",
    "load",
    "load_labels",
    "read_image",
    "tune",
]

__getattr__ = lazy_exports(  # so that `edgekit --help` does not wait for cv2
    __name__,
    {
        "CalibrationSet": "edgekit.calibration.pipeline",
        "Classifications": "edgekit.results.classifications",
        "CompileResult": "edgekit.compilation.build",
        "ConfigError": "edgekit.errors",
        "DataError": "edgekit.errors",
        "DecodeOptions": "edgekit.decode.plan",
        "Detections": "edgekit.results.detections",
        "DeviceError": "edgekit.errors",
        "EdgekitError": "edgekit.errors",
        "EvaluateOptions": "edgekit.evaluation.options",
        "Evaluation": "edgekit.evaluation.scores",
        "ImageError": "edgekit.errors",
        "ModelError": "edgekit.errors",
        "NoBoardLibrary": "edgekit.errors",
        "OutputError": "edgekit.errors",
        "Poses": "edgekit.results.poses",
        "Results": "edgekit.results.classifications",
        "RotatedDetections": "edgekit.results.rotated",
        "Segmentations": "edgekit.results.segmentations",
        "Session": "edgekit.runtime.session",
        "ToolchainError": "edgekit.errors",
        "TuneOptions": "edgekit.tuning.options",
        "TuneResult": "edgekit.tuning.report",
        "UnfitError": "edgekit.errors",
        "calibrate": "edgekit.calibration.pipeline",
        "compile": "edgekit.compilation.build:compile_model",
        "evaluate": "edgekit.evaluation.run",
        "load": "edgekit.runtime.session",
        "load_labels": "edgekit.evaluation.label_reader",
        "read_image": "edgekit.ops.image",
        "tune": "edgekit.tuning.run",
    },
)

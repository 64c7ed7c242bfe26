"""Calibration sets: where images come from, which are taken, how they are written and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.calibration.pipeline import CalibrationSet, calibrate

__all__ = ["CalibrationSet", "calibrate"]

__getattr__ = lazy_exports(
    __name__,
    {
        "CalibrationSet": "edgekit.calibration.pipeline",
        "calibrate": "edgekit.calibration.pipeline",
    },
)

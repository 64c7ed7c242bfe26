"""Tuning: the candidate that keeps the accuracy, found by measurement and written for the real toolchain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.tuning.candidate import Candidate
    from edgekit.tuning.measurement import Measurement
    from edgekit.tuning.options import TuneOptions
    from edgekit.tuning.records import QuantPoint, SearchStep, Trial
    from edgekit.tuning.report import TuneResult
    from edgekit.tuning.run import tune
    from edgekit.tuning.search import SearchContext, SearchState, Stage
    from edgekit.tuning.stages import STAGES
    from edgekit.tuning.workspace import Workspace

__all__ = [
    "STAGES",
    "Candidate",
    "Measurement",
    "QuantPoint",
    "SearchContext",
    "SearchState",
    "SearchStep",
    "Stage",
    "Trial",
    "TuneOptions",
    "TuneResult",
    "Workspace",
    "tune",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "STAGES": "edgekit.tuning.stages",
        "Candidate": "edgekit.tuning.candidate",
        "Measurement": "edgekit.tuning.measurement",
        "QuantPoint": "edgekit.tuning.records",
        "SearchContext": "edgekit.tuning.search",
        "SearchState": "edgekit.tuning.search",
        "SearchStep": "edgekit.tuning.records",
        "Stage": "edgekit.tuning.search",
        "Trial": "edgekit.tuning.records",
        "TuneOptions": "edgekit.tuning.options",
        "TuneResult": "edgekit.tuning.report",
        "Workspace": "edgekit.tuning.workspace",
        "tune": "edgekit.tuning.run",
    },
)

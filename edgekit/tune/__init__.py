"""Tuning: the candidate that keeps the accuracy, found by measurement and written for the real toolchain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.tune.candidate import Candidate
    from edgekit.tune.measurement import Measurement
    from edgekit.tune.options import TuneOptions
    from edgekit.tune.records import QuantPoint, SearchStep, Trial
    from edgekit.tune.report import TuneResult
    from edgekit.tune.run import tune
    from edgekit.tune.search import SearchContext, SearchState, Stage
    from edgekit.tune.stages import STAGES
    from edgekit.tune.workspace import Workspace

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
        "STAGES": "edgekit.tune.stages",
        "Candidate": "edgekit.tune.candidate",
        "Measurement": "edgekit.tune.measurement",
        "QuantPoint": "edgekit.tune.records",
        "SearchContext": "edgekit.tune.search",
        "SearchState": "edgekit.tune.search",
        "SearchStep": "edgekit.tune.records",
        "Stage": "edgekit.tune.search",
        "Trial": "edgekit.tune.records",
        "TuneOptions": "edgekit.tune.options",
        "TuneResult": "edgekit.tune.report",
        "Workspace": "edgekit.tune.workspace",
        "tune": "edgekit.tune.run",
    },
)

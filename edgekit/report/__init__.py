"""The report of a build: one model of what the files say, rules that judge it, text and pages that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.lazy import lazy_exports

if TYPE_CHECKING:
    from edgekit.report.build import Build
    from edgekit.report.gather import Collection, collect
    from edgekit.report.report import Report, make_report

__all__ = ["Build", "Collection", "Report", "collect", "make_report"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Build": "edgekit.report.build",
        "Collection": "edgekit.report.gather",
        "Report": "edgekit.report.report",
        "collect": "edgekit.report.gather",
        "make_report": "edgekit.report.report",
    },
)

"""What `edgekit report` does with a file, in this process: read, judged, as text, page and JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

REPORTED = 120  # columns


def report_on(path: Path) -> None:
    """Report on a file or folder in every form there is."""
    from rich.console import Console

    from edgekit.report.as_json import reports_json
    from edgekit.report.gather import collect
    from edgekit.report.page import write_page
    from edgekit.report.report import make_report
    from edgekit.report.text import print_comparison, print_report

    found = collect(path)
    reports = [make_report(build) for build in found.builds]
    console = Console(file=io.StringIO(), width=REPORTED, highlight=False)
    if len(reports) > 1:
        print_comparison(console, reports)
    for report in reports:
        print_report(console, report, all_nodes=True)
    write_page(path.parent / "report.html", reports)
    json.dumps(reports_json(reports, found.left_aside), allow_nan=False)

from __future__ import annotations

import json
from typing import Any

import pytest

from edgekit.evaluation.bench.report import BenchReport, rows_of_unfinished
from tests.evaluation.bench.reports import REQUEST, failed, report, row, simulated


def document(one: BenchReport) -> dict[str, Any]:
    return json.loads(json.dumps(one.to_dict()))


def test_the_exit_code_is_of_what_failed_not_of_what_does_not_fit() -> None:
    assert report(row(), failed(status="unfit")).exit_code == 0
    assert report(row(), failed()).exit_code == 1
    assert report(row(), failed(status="no mAP")).exit_code == 1
    assert report(failed(status="unfit")).exit_code == 1


def test_a_simulated_time_is_marked() -> None:
    assert document(report(simulated()))["notes"][0].startswith("* simulated int8")
    assert document(report(simulated()))["rows"][0]["simulated"] is True
    assert document(report(row()))["notes"] == []


def test_an_unfinished_run_gives_its_rows_to_the_same_request_alone() -> None:
    rows = (row(), failed())
    saved = document(report(*rows, total=3))
    assert saved["finished"] is False
    assert rows_of_unfinished(saved, REQUEST) == rows
    assert rows_of_unfinished(saved, {**REQUEST, "models": {}}) == ()
    assert rows_of_unfinished(document(report(*rows)), REQUEST) == ()


@pytest.mark.parametrize(
    "change",
    [{"rows": [{}]}, {"rows": 3}, {"rows": ["x"]}, {"schema": "edgekit.perf/1"}, {"schema": "edgekit.bench/9"}],
)
def test_a_damaged_file_is_started_again(change: dict[str, Any]) -> None:
    assert rows_of_unfinished({**document(report(row(), total=2)), **change}, REQUEST) == ()
    assert rows_of_unfinished(None, REQUEST) == ()

"""The JSON fits its published schema, for whole, partial, failed and bare builds, for many and for a difference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgekit.report
from edgekit.report.as_json import report_json, reports_json
from edgekit.report.compare import COLUMNS, compare_rows
from edgekit.report.diff import diff_json, diff_reports
from edgekit.report.gather import collect
from edgekit.report.report import make_report
from tests.logs import synthetic
from tests.logs.synthetic_bin import compiled_bin
from tests.report.builds import FOLDER_FILES, build_of, write_files
from tests.report.schema_check import errors

SCHEMA = json.loads((Path(edgekit.report.__file__).parent / "schema.json").read_text())
BUILDS: dict[str, dict[str, Any]] = {
    "whole": {"log": synthetic.makertbin()},
    "2024": {"log": synthetic.makertbin(generation="2024"), "modifier": synthetic.modifier(removed=True)},
    "checker": {"log": synthetic.checker()},
    "failed": {"log": synthetic.failed()},
    "cut": {"log": synthetic.makertbin()[:4000]},
    "bin": {"bin": compiled_bin(stripped=True)},
    "board": {"board": synthetic.board_info() + synthetic.board_perf()},
    "static": {"static": synthetic.static_perf()},
    "record": {f"{synthetic.PREFIX}_quant_info": synthetic.quant_info()},
}


def fits(value) -> None:
    plain = json.loads(json.dumps(value, allow_nan=False))
    assert errors(plain, SCHEMA, SCHEMA) == []


@pytest.mark.parametrize("kind", BUILDS)
def test_every_kind_of_build_fits_the_schema(tmp_path, kind):
    fits(report_json(make_report(build_of(tmp_path, **BUILDS[kind]))))


def test_a_whole_folder_fits_and_says_what_it_must(tmp_path):
    value = report_json(make_report(collect(write_files(tmp_path, FOLDER_FILES)).builds[0]))
    fits(value)
    assert value["schema"] == "edgekit.report/1"
    assert value["build"]["versions"]["hbdk_runtime"] == "3.15.55.0"
    assert value["calibration"]["selected"] == "max-percentile:percentile=0.99995"
    assert value["config"]["model_parameters"]["march"] == "bayes-e"
    assert [n["name"] for n in value["nodes"]] == [n.name for n in synthetic.NODES]
    assert value["worst_nodes"][0] == "/model.1/act/Mul"
    assert value["int16_nodes"] == ["/model.3/proto/cv3/act/Mul"]
    assert value["flow"]["first_fall"]["node"] == "/model.1/act/Mul"
    assert value["flow"]["first_fall"]["drop"] == 0.027
    assert value["performance"]["estimate"]["ddr_bytes"] == 12345678
    assert value["performance"]["static"]["layers"][1]["compute_us"] == 1042.0
    assert value["performance"]["measured"][0]["latency_ms"] == 10.4
    assert value["cpu"]["measured_ms_beyond_bpu"] == pytest.approx(10.4 - 4.9875)


def test_the_checker_of_the_schema_can_fail(tmp_path):
    value = report_json(make_report(build_of(tmp_path, log=synthetic.makertbin())))
    assert errors({**value, "extra": 1}, SCHEMA, SCHEMA)
    assert errors({**value, "nodes": None}, SCHEMA, SCHEMA)
    assert errors({key: part for key, part in value.items() if key != "verdict"}, SCHEMA, SCHEMA)


def test_many_builds_fit_and_compare(tmp_path):
    better = synthetic.makertbin(
        heads=[replace(h, cosine=0.9991) for h in synthetic.HEADS], samples=64, fps=250.0, minute=20
    )
    write_files(tmp_path, {"a/x.log": synthetic.makertbin(), "b/x.log": better, "c/x.log": synthetic.checker()})
    found = collect(tmp_path)
    reports = [make_report(build) for build in found.builds]
    fits(reports_json(reports, [(tmp_path / "d.txt", "prose")]))
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in compare_rows(reports)]
    assert [row["build"].split("/")[0] for row in rows] == ["b", "a", "x"]
    assert (rows[0]["lowest output"][:6], rows[0]["samples"], rows[0]["FPS"]) == ("0.9991", "64", "250.0")
    assert (rows[1]["calibration"], rows[2]["verdict"]) == ("max-percentile 0.99995", "unknown")


def test_a_difference_fits_and_counts(tmp_path):
    nodes = [
        replace(n, dtype="int16") if n.name == "/model.1/act/Mul" else n for n in synthetic.NODES if n.type != "Concat"
    ]
    heads = [replace(h, cosine=h.cosine - 0.001 if h.name == "cls" else h.cosine + 0.001) for h in synthetic.HEADS]
    config = synthetic.CONFIG.replace("calibration_type: default", "calibration_type: max")
    base = make_report(build_of(tmp_path / "a", log=synthetic.makertbin()))
    new = make_report(
        build_of(tmp_path / "b", log=synthetic.makertbin(nodes=nodes, heads=heads, config=config, fps=180.5))
    )
    diff = diff_reports(base, new)
    fits(diff_json(diff))
    assert diff.sentence == "3 of 4 outputs closer to the float model, 1 farther; -20.0 FPS"
    assert [(c.name, c.base, c.new) for c in diff.moved] == [("/model.1/act/Mul", "BPU int8", "BPU int16")]
    assert (diff.only_base, diff.only_new) == (("/model.2/Concat",), ())
    assert [(c.base, c.new) for c in diff.settings if c.name == "calibration.calibration_type"] == [("default", "max")]
    assert {c.name.split()[0]: c.delta for c in diff.outputs}["cls"] == -0.001


def test_a_build_against_itself_differs_in_nothing(tmp_path):
    report = make_report(build_of(tmp_path, log=synthetic.makertbin()))
    diff = diff_reports(report, report)
    assert not (diff.settings or diff.speed or diff.nodes or diff.moved or diff.only_base or diff.only_new)
    assert all(change.delta == 0 for change in diff.outputs)


def test_the_real_builds_fit(shared_data):
    reports = [make_report(build) for build in collect(shared_data / "horizon").builds]
    assert len(reports) == 6
    fits(reports_json(reports))
    fits(diff_json(diff_reports(reports[0], reports[-1])))

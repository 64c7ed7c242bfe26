"""What edgekit tune measured is found beside a build, and shown on the console, the page and in the JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import edgekit.report
from edgekit.cli.main import main
from edgekit.errors import DataError
from edgekit.logs import sensitivity
from edgekit.logs.sensitivity import read_sensitivity
from edgekit.report.as_json import report_json
from edgekit.report.build import Build
from edgekit.report.chart import sensitivity_chart
from edgekit.report.gather import collect
from edgekit.report.page import render_page
from edgekit.report.report import make_report
from tests.logs import synthetic
from tests.report.builds import FOLDER_FILES, write_files
from tests.report.schema_check import errors

SCHEMA = json.loads((Path(edgekit.report.__file__).parent / "schema.json").read_text())
LOSSES = {"/model.0/conv/Conv": 0.01, "/model.1/act/Mul": 0.061, "/model.2/Concat": 0.02}


def node(name: str, loss: float, **fields: Any) -> dict[str, Any]:
    told = {"node": name, "tensors": [f"{name}_out"], "op": "Conv + swish", "loss_alone": loss}
    return told | {"gain_int16": loss / 2, "gain_float": None, "extra_cost": 0.013, "chosen": ""} | fields


def measured(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    nodes = nodes or tuple(node(name, loss) for name, loss in LOSSES.items())
    told = {"measure": "mean relative RMS error of the outputs", "baseline": {"int8": 0.12, "tuned": 0.04}}
    return told | {"nodes": list(nodes)} | fields


def write(folder: Path, value: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sensitivity.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def worst_of(build: Build) -> str:
    return build.sensitivity.nodes[0].node if build.sensitivity else ""


# where it is found


@pytest.mark.parametrize("log", ["hb_mapper_makertbin.log", "model_output/hb_mapper_makertbin.log"])
@pytest.mark.parametrize("asked", ["the log", "its folder", "the work folder"])
def test_it_is_found_from_everywhere_in_the_work_folder(tmp_path, log, asked):
    write_files(tmp_path, {log: synthetic.makertbin(), "model.yaml": ""})
    write(tmp_path, measured())
    path = tmp_path / log
    asked_path = {"the log": path, "its folder": path.parent, "the work folder": tmp_path}[asked]
    found = collect(asked_path)
    (build,) = found.builds
    assert worst_of(build) == "/model.1/act/Mul"
    assert [file.kind for file in build.sources].count("sensitivity") == 1
    assert found.left_aside == ()


def test_a_folder_above_without_a_yaml_is_no_work_folder(tmp_path):
    write_files(tmp_path, {"build/x.log": synthetic.makertbin()})
    write(tmp_path, measured())
    assert collect(tmp_path / "build/x.log").builds[0].sensitivity is None
    assert collect(tmp_path / "build").builds[0].sensitivity is None


def test_it_alone_is_reported_too(tmp_path):
    path = write(tmp_path, measured())
    for asked in (path, tmp_path):
        report = make_report(collect(asked).builds[0])
        assert worst_of(report.build) == "/model.1/act/Mul"
        assert report.verdict.grade == "unknown"
        assert "Most sensitive nodes" in render_page([report])


def test_of_several_builds_nobody_knows_whose_it_is(tmp_path):
    write_files(tmp_path, {"a/x.log": synthetic.makertbin(), "b/x.log": synthetic.makertbin(minute=20)})
    write(tmp_path, measured())
    found = collect(tmp_path)
    assert [build.sensitivity for build in found.builds] == [None, None]
    assert [path.name for path, _ in found.left_aside] == ["sensitivity.json"]


# what is read


def test_nodes_come_most_sensitive_first(tmp_path):
    told = read_sensitivity(write(tmp_path, measured()))
    assert [n.node for n in told.nodes] == ["/model.1/act/Mul", "/model.2/Concat", "/model.0/conv/Conv"]
    assert (told.nodes[0].loss_alone, told.nodes[0].gain_int16, told.nodes[0].gain_float) == (0.061, 0.0305, None)
    assert told.baseline == {"int8": 0.12, "tuned": 0.04}


DAMAGED = {
    "no object": ([], "object"),
    "no nodes": ({"measure": "x", "baseline": {}}, "it is dict"),
    "nodes": (measured(nodes={"a": 1}), "nodes is dict"),
    "node": (measured(nodes=[1]), "nodes[0] is"),
    "no name": (measured({"loss_alone": 1.0}), "nodes[0].node is None"),
    "long name": (measured(node("x" * 2000, 0.1)), "nodes[0].node is"),
    "no loss": (measured({"node": "a"}), "nodes[0].loss_alone is None"),
    "loss": (measured(node("a", 0.1), node("b", 0.1, loss_alone="0.1")), "nodes[1].loss_alone is '0.1'"),
    "truth": (measured(node("a", 0.1, gain_int16=True)), "nodes[0].gain_int16 is True"),
    "not a number": (measured(node("a", float("nan"))), "expected a finite number"),
    "huge": (measured(node("a", 0.1, extra_cost=10**400)), "expected a finite number"),
    "tensors": (measured(node("a", 0.1, tensors="abc")), "nodes[0].tensors is 'abc'"),
    "tensor": (measured(node("a", 0.1, tensors=[["b"]])), "nodes[0].tensors is a list of 1"),
    "baseline": (measured(baseline=[0.1]), "baseline is a list of 1"),
    "baseline value": (measured(baseline={"int8": None}), "baseline.int8 is None"),
    "measure": (measured(measure={}), "measure is dict"),
    "front": (measured(front={"a": 1}), "front is dict"),
    "setting": (measured(front=[1]), "front[0] is"),
    "milliseconds": (measured(front=[{"what": "a", "loss": 0.1, "milliseconds": "5"}]), "front[0].milliseconds is '5'"),
    "loss of a setting": (measured(front=[{"what": "a", "milliseconds": 5.0}]), "front[0].loss is None"),
    "cut": (json.dumps(measured())[:-9], "cannot be read as JSON"),
    "deep": ("[" * 100_000, "cannot be read as JSON"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_named_with_its_field(tmp_path, kind):
    value, told = DAMAGED[kind]
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_sensitivity(write(tmp_path, value))
    assert len(caught.value.message) < 400 + len(str(tmp_path))


def test_the_front_is_read_and_drawn_where_it_has_milliseconds(tmp_path):
    untuned = {"what": "untuned", "loss": 1.0, "milliseconds": 5.0, "chosen": False}
    chosen = {"what": "8 tensors", "loss": 0.5, "milliseconds": 5.5, "chosen": True}
    unknown = {"what": "another march", "loss": 0.5, "milliseconds": None, "chosen": False}
    result = read_sensitivity(write(tmp_path, measured(front=[untuned, chosen, unknown])))
    assert [(point.what, point.milliseconds, point.chosen) for point in result.front] == [
        ("untuned", 5.0, False),
        ("8 tensors", 5.5, True),
    ]
    write_files(tmp_path, {"hb_mapper_makertbin.log": synthetic.makertbin(), "model.yaml": ""})
    page = render_page([make_report(collect(tmp_path).builds[0])])
    assert "Accuracy over milliseconds" in page and "8 tensors: 5.50 ms, error 0.500, chosen" in page
    write(tmp_path, measured())
    assert "Accuracy over milliseconds" not in render_page([make_report(collect(tmp_path).builds[0])])


def test_sizes_are_checked(tmp_path, monkeypatch):
    path = write(tmp_path, measured())
    monkeypatch.setattr(sensitivity, "MAX_NODES", 2)
    with pytest.raises(DataError, match="nodes is a list of 3, expected a list of at most 2"):
        read_sensitivity(path)
    monkeypatch.setattr(sensitivity, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="expected at most 100"):
        read_sensitivity(path)


REQUESTED = (".", "model_output", "model_output/x.log")


@pytest.fixture
def build_folder(tmp_path):
    return write_files(tmp_path, {"model_output/x.log": synthetic.makertbin(), "model.yaml": ""})


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_left_aside(build_folder, kind):
    write(build_folder, DAMAGED[kind][0])
    for requested in REQUESTED:
        found = collect(build_folder / requested)
        assert [build.sensitivity for build in found.builds] == [None]
        assert [path.name for path, _ in found.left_aside] == ["sensitivity.json"]


@pytest.mark.parametrize("requested", REQUESTED)
def test_a_damaged_file_is_a_line_and_the_report_goes_on(build_folder, capsys, requested):
    write(build_folder, DAMAGED["cut"][0])
    for options in ([], ["--json"]):
        assert main(["report", str(build_folder / requested), *options]) == 0
        assert capsys.readouterr().err.count("left aside sensitivity.json: ") == 1


# what is shown


def test_the_console_shows_the_ten_most_sensitive(tmp_path, capsys):
    write_files(tmp_path, {"x.log": synthetic.makertbin()})
    nodes = [node(f"/part/{i}", i / 100, chosen="int16" if i == 11 else "") for i in range(12)]
    write(tmp_path, measured(*nodes))
    assert main(["report", str(tmp_path / "x.log")]) == 0
    shown = capsys.readouterr().out
    table = shown[shown.index("most sensitive of") :]
    assert re.findall(r"/part/(\d+) ", table) == [str(i) for i in range(11, 1, -1)]
    assert "int8 0.12, tuned 0.04" in shown
    assert re.search(r"/part/11 .*0\.1100 +\+0\.0550 +- +1\.3% +int16", shown)


def test_the_page_shows_chart_and_table(tmp_path):
    write_files(tmp_path, FOLDER_FILES)
    without = render_page([make_report(collect(tmp_path).builds[0])])
    write(tmp_path, measured())
    page = render_page([make_report(collect(tmp_path).builds[0])])
    assert (without.count("<svg"), page.count("<svg")) == (8, 10)  # each plot for desk and phone
    assert "Sensitivity to int8" in page and "Sensitivity to int8" not in without
    table = page.split("Most sensitive nodes")[1].split("</table>")[0]
    assert [table.index(name) for name in ("/model.1/act/Mul", "/model.2/Concat", "/model.0/conv/Conv")] == sorted(
        table.index(name) for name in LOSSES
    )
    assert '<td class="number">0.0610</td><td class="number">+0.0305</td>' in table


def test_bars_are_as_long_as_the_numbers(tmp_path):
    nodes = (node("a", 0.4, gain_int16=0.2), node("b", 0.1, gain_int16=-0.3), node("c", 0.0, gain_int16=None))
    drawn = sensitivity_chart(read_sensitivity(write(tmp_path, measured(*nodes))), width=1000)
    loss = [float(w) for w in re.findall(r'class="compute"[^>]* width="([\d.]+)"', drawn)]
    gain = [float(w) for w in re.findall(r'class="int16"[^>]* width="([\d.]+)"', drawn)]
    assert loss == pytest.approx([loss[0], loss[0] / 4, 0], abs=0.1)
    assert gain == pytest.approx([loss[0] / 2, 0, 0], abs=0.1)
    assert 500 < loss[0] < 1000
    assert "gain as int16 -0.3" in drawn and "not measured" in drawn


@pytest.mark.parametrize("losses", [(), (0.0,), (-1.0, 0.0)])
def test_nothing_to_draw(tmp_path, losses):
    value = measured() | {"nodes": [node("a", loss, gain_int16=None) for loss in losses]}
    write_files(tmp_path, {"x.log": synthetic.makertbin()})
    write(tmp_path, value)
    report = make_report(collect(tmp_path).builds[0])
    assert sensitivity_chart(report.build.sensitivity, width=1000) == ""
    assert "Sensitivity to int8" not in render_page([report])
    assert main(["report", str(tmp_path)]) == 0


def test_names_cannot_put_markup_into_page_or_console(tmp_path, capsys):
    evil = "</script><script>alert(1)</script>[bold]"
    write_files(tmp_path, {"x.log": synthetic.makertbin()})
    write(tmp_path, measured(node(evil, 0.1, op=evil, chosen=evil), measure=evil, baseline={evil: 1}))
    assert "<script>alert" not in render_page([make_report(collect(tmp_path).builds[0])])
    assert main(["report", str(tmp_path)]) == 0
    assert "[bold]" in capsys.readouterr().out


def test_the_json_fits_the_schema(tmp_path):
    write_files(tmp_path, FOLDER_FILES)
    for nodes in ((), (node("a", 0.1, gain_float=0.2, gain_int16=None, extra_cost=None, chosen="int16"),)):
        write(tmp_path, measured(*nodes))
        value = json.loads(json.dumps(report_json(make_report(collect(tmp_path).builds[0])), allow_nan=False))
        assert errors(value, SCHEMA, SCHEMA) == []
    assert value["sensitivity"]["nodes"][0] == node(
        "a", 0.1, gain_float=0.2, gain_int16=None, extra_cost=None, chosen="int16"
    )
    assert value["sensitivity"]["baseline"] == {"int8": 0.12, "tuned": 0.04}
    del value["sensitivity"]["nodes"][0]["op"]
    assert errors(value, SCHEMA, SCHEMA)

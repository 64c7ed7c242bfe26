"""`edgekit report` as a user types it: texts, JSON, page, exit codes, refusals in two lines."""

from __future__ import annotations

import json
import os

import pytest

from edgekit.cli.main import main
from tests.conftest import ROOT
from tests.logs import synthetic
from tests.report.builds import FOLDER_FILES, write_files


@pytest.fixture
def folder(tmp_path):
    return write_files(tmp_path / "build", FOLDER_FILES)


def run(capsys, *args) -> tuple[int, str, str]:
    code = main(["report", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_one_screen_for_a_folder(capsys, folder):
    code, out, err = run(capsys, folder)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) <= 50
    for words in (
        "USABLE", "next: edgekit tune", "hb_mapper 1.24.3", "/model.1/act/Mul", "max-percentile",
        "50 samples",
        "static 200.5 FPS, 4.99 ms, 12.3 MB", "measured 10.40 ms, 95.5 FPS (1 thread)", "edges: quant_info.json",
        "/model.3/proto/cv3/act/Mul", "calibration_type default", "optimize_level O3", "mask",
    ):  # fmt: skip
        assert words in out.replace("\n", " "), words


def test_json_is_one_report_and_nothing_else(capsys, folder):
    code, out, _ = run(capsys, folder / "hb_mapper_makertbin.log", "--json")
    value = json.loads(out)
    assert (code, value["schema"], len(value["nodes"])) == (0, "edgekit.report/1", len(synthetic.NODES))


def test_a_page_replaces_what_exists_only_when_asked(capsys, folder):
    log, page = folder / "hb_mapper_makertbin.log", folder / "page.html"
    page.write_text("mine")
    code, _, err = run(capsys, log, "--html", page)
    assert (code, page.read_text()) == (2, "mine")
    assert "page.html exists already" in err
    before = log.read_bytes()
    assert run(capsys, log, "--html", log, "--overwrite")[0] == 2
    assert log.read_bytes() == before
    code, _, err = run(capsys, log, "--html", page, "--overwrite")
    assert (code, page.read_text()[:15]) == (0, "<!doctype html>")
    assert f"--overwrite replaces {page}" in err


def test_all_prints_every_node(capsys, folder):
    _, out, _ = run(capsys, folder / "hb_mapper_makertbin.log", "--all")
    assert all(node.name in out for node in synthetic.NODES)


def test_a_failed_build_exits_with_1_and_says_the_cure(capsys, tmp_path):
    path = tmp_path / "failed.log"
    path.write_text(synthetic.failed())
    code, out, _ = run(capsys, path)
    assert code == 1
    assert "FAILED" in out
    assert "opset=11" in out


def test_many_builds_are_compared(capsys, tmp_path):
    write_files(tmp_path, {"a/x.log": synthetic.makertbin(), "b/x.log": synthetic.makertbin(minute=9)})
    code, out, _ = run(capsys, tmp_path)
    assert code == 0
    assert "2 builds" in out
    _, out, _ = run(capsys, tmp_path, "--json")
    assert [b["build"]["name"] for b in json.loads(out)["builds"]] == [f"a/{synthetic.PREFIX}", f"b/{synthetic.PREFIX}"]


def test_against_another_build(capsys, tmp_path, folder):
    other = tmp_path / "old.log"
    other.write_text(synthetic.makertbin(fps=150.5))
    code, out, _ = run(capsys, folder, "--against", other)
    assert code == 0
    assert "+50.0 FPS" in out
    _, out, _ = run(capsys, folder, "--against", other, "--json")
    assert json.loads(out)["schema"] == "edgekit.report-diff/1"


def test_comparing_a_folder_of_many_is_refused(capsys, tmp_path, folder):
    write_files(tmp_path / "many", {"a.log": synthetic.makertbin(), "b.log": synthetic.makertbin(minute=9)})
    code, _, err = run(capsys, folder, "--against", tmp_path / "many")
    assert code == 2
    assert "holds 2 builds" in err


def test_the_page_is_written(capsys, tmp_path, folder):
    page = tmp_path / "out" / "report.html"
    code, _, err = run(capsys, folder, "--html", page)
    assert code == 0
    assert f"wrote {page}" in err
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("data", [b"", b"\x00\x01" * 100, b"hello\n", b"{}"])
def test_bad_input_is_refused_in_two_lines(capsys, tmp_path, data):
    path = tmp_path / "bad.log"
    path.write_bytes(data)
    code, out, err = run(capsys, path)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("error: ") and "bad.log" in first
    assert second.startswith("hint: ")


def test_an_unwritable_page_is_refused(capsys, tmp_path, folder):
    (tmp_path / "file").write_text("x")
    code, _, err = run(capsys, folder, "--html", tmp_path / "file" / "page.html")
    assert code == 2
    assert "cannot be written" in err


def test_the_page_never_takes_the_place_of_a_log(capsys, folder):
    log = folder / "hb_mapper_makertbin.log"
    before = log.read_bytes()
    for page in (log, folder):
        code, _, err = run(capsys, log, "--html", page)
        assert code == 2
        assert "expected a new file" in err
    assert log.read_bytes() == before


def test_a_pipe_is_refused(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = run(capsys, tmp_path / "pipe")
    assert code == 2
    assert "is a pipe" in err


def test_of_an_onnx_it_says_how_large_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(ROOT / "edgekit" / "demo" / "demo_seg.onnx")
    assert main(["report", model]) == 0
    assert "demo_seg.onnx: 73 layers with weights, 0.34 M parameters, 0.366 GFLOPs" in capsys.readouterr().out
    assert main(["report", model, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["schema"] == "edgekit.model-size/1" and values["layers"] == 73
    assert main(["report", model, "--html", "page.html"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert "--html is there with the ONNX demo_seg.onnx" in error and hint.startswith("hint: ")

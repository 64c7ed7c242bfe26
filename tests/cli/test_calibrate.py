from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolo11")
    write_images(tmp_path / "images", 8)
    return ["calibrate", "--model", str(model), "--images", str(tmp_path / "images"), "-o", str(tmp_path / "work")]


def test_the_report_says_what_was_chosen_dropped_warned_and_what_comes_next(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images" / "zz.jpg").write_bytes(b"broken")
    assert main([*command, "--num", "5"]) == 0
    printed = capsys.readouterr().out
    assert "5 of 9 images" in printed
    assert "1 dropped as undecodable:\n    zz.jpg:" in printed
    assert "warning: the set is small: 5 images\n" in printed
    assert f"next: edgekit compile {tmp_path / 'work' / 'tiny_bayese_96x64_nv12.yaml'}" in printed
    assert main([*command, "--num", "5"]) == 0
    assert "is already done" in capsys.readouterr().out


def test_json_has_the_same_and_nothing_else_on_standard_output(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--num", "3", "--input", "rgb", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["chosen"]) == 3 and report["input_size"] == [96, 64]
    assert report["warnings"][0]["code"] == "small"
    assert Path(report["yaml"]).name == "tiny_bayese_96x64_rgb.yaml" and Path(report["yaml"]).is_file()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--num", "0"], "num is 0, expected 1..100000"),
        (["--march", "nash-e"], "march is 'nash-e', expected one of bernoulli2, bayes, bayes-e"),
        (["--max-percentile", "0.99"], "expected calibration max"),
        (["--images", "absent"], "absent does not exist"),
        (["--input", "gray"], "has three channels, and --input is 'gray'"),
    ],
)
def test_mistakes_are_two_lines_and_exit_code_2(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert main([*command, *extra]) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if not x.endswith("...")]
    assert lines[0].startswith("error: ") and message in lines[0]
    assert lines[1].startswith("hint: ") and len(lines) == 2
    assert not (tmp_path / "work").exists()

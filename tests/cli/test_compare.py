from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli.main import main
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("compare")
    a, b = (save_tiny_yolo(folder / f"{i}.onnx", family="yolov8", seed=i) for i in (0, 1))
    write_images(folder / "images", 2)
    return ["compare", str(a), str(b), "--images", str(folder / "images")]


def test_the_report_names_heads_layers_and_detections(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "box_8" in printed and "worst of" in printed and "first below 0.98: /model" in printed
    assert "detections:" in printed
    assert json.loads((tmp_path / "out" / "compare.json").read_text())["images"] == 2


def test_a_threshold_is_a_gate(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--threshold", "0.98", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["passes"] is False
    assert main([command[0], command[1], command[1], *command[3:], "--threshold", "0.98"]) == 0


@pytest.mark.parametrize(
    ("extra", "message"),
    [(["--num", "0"], "--num is 0"), (["--threshold", "3"], "--threshold is 3"), (["--images", "no"], "no does not")],
)
def test_mistakes_are_two_lines_and_exit_code_2(
    command: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert main([*command, *extra]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[0] and lines[1].startswith("hint: ")


def test_a_page_shows_the_images(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main([*command, "--html", str(page)]) == 0
    assert f"wrote {page}" in capsys.readouterr().err
    text = page.read_text(encoding="utf-8")
    assert "image_001" in text and "Where they part" in text and "data:image/" in text
    assert main([*command, "--html", str(page)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--html", str(page), "--overwrite"]) == 0


def test_a_page_needs_two_models(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    np.savez(dumps / "image_001.npz", box_8=np.zeros(1))
    page = tmp_path / "page.html"
    assert main([command[0], command[1], str(dumps), *command[3:], "--html", str(page)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "holds dumped outputs, expected two models for --html" in lines[0] and lines[1].startswith("hint: ")
    assert not page.exists()

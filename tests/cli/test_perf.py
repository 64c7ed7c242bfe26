"""`edgekit perf` as a user types it: what it writes, and what it never does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main
from tests.images import write_images
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    model = save_tiny_yolo(folder / "stock.onnx")
    assert main(["cut", str(model), "-o", str(folder / "heads.onnx")]) == 0
    return folder / "heads.onnx"


def perf(cut: Path, *args: str) -> int:
    quick = ("--threads", "1", "--frames", "2", "--warmup", "0", "--no-draw")
    return main(["perf", "--model", str(cut), *quick, *args])


def test_the_sidecar_is_never_replaced(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sidecar = cut.with_suffix(".json")
    before = sidecar.read_bytes()
    for option in ("-o", "--csv"):
        for name in (sidecar, cut):
            assert perf(cut, option, str(name), "--overwrite") == 2
            assert f"{name} would replace {name}, which is read" in capsys.readouterr().err
    assert sidecar.read_bytes() == before


def test_what_exists_is_replaced_only_when_asked(cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, table = tmp_path / "perf.json", tmp_path / "perf.csv"
    out.write_text("mine")
    assert perf(cut, "-o", str(out), "--csv", str(table)) == 2
    assert "perf.json exists already" in capsys.readouterr().err
    assert (out.read_text(), table.exists()) == ("mine", False)
    assert perf(cut, "-o", str(out), "--csv", str(table), "--overwrite") == 0
    assert f"--overwrite replaces {out}" in capsys.readouterr().err
    assert json.loads(out.read_text())["model"] == "heads.onnx"
    assert table.read_text().startswith("threads,stage")


@pytest.mark.parametrize("source", ["{}", "{}/*.png", "{}/list.txt", "{}/a.png"])
def test_the_images_that_are_read_are_never_replaced(
    cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    image = write_images(tmp_path / "images", 1)[0].rename(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "list.txt").write_text("a.png\n")
    before = image.read_bytes()
    assert perf(cut, "--source", source.format(image.parent), "-o", str(image), "--overwrite") == 2
    assert "which is read in this call" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_one_name_for_two_outputs_is_refused(cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert perf(cut, "-o", str(tmp_path / "x"), "--csv", str(tmp_path / "x")) == 2
    assert "named for two outputs" in capsys.readouterr().err

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekit.cli.bench import parse_batches
from edgekit.cli.main import main
from edgekit.errors import ConfigError
from edgekit.evaluation.bench.grid import Cell
from tests.conftest import ROOT
from tests.tiny_maps import save_tiny_map, tiny_depth
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    model = save_tiny_yolo(tmp_path / "tiny.onnx", family="yolov8")
    return ["bench", "--model", str(model), "--frames", "3", "--warmup", "1", "-o", str(tmp_path / "out")]


def test_the_table_is_printed_and_the_files_are_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--threads", "1", "2"]) == 0
    printed = capsys.readouterr().out
    assert "ms p50" in printed and printed.count("\nok ") == 2
    for name in ("bench.md", "bench.csv", "bench.json", "bench.png", "bench.log"):
        assert str(tmp_path / "out" / name) in printed and (tmp_path / "out" / name).is_file()


def test_json_is_the_report_and_a_failed_cell_is_exit_code_1(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    assert main([*command, "--json", "--no-plot", "--model", str(tmp_path / "broken.onnx"), command[2]]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [row["status"] for row in report["rows"]] == ["failed", "ok"]
    assert not (tmp_path / "out" / "bench.png").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--device", "gpu"], "device 'gpu' is unknown, expected one of auto, bpu, sim"),
        (["--device", "auto", "cann"], "device 'cann' is not here"),
        (["--device", "bpu"], "device 'bpu' is not here"),
        (["--imgsz", "big"], "--imgsz is 'big'"),
        (["--threads", "0"], "--threads has 0"),
        (["--frames", "0"], "--frames is 0"),
        (["--data", "none.json"], "none.json does not exist"),
    ],
)
def test_mistakes_are_two_lines_and_exit_code_2_before_anything_runs(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert main([*command, *extra]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[0] and lines[1].startswith("hint: ") and len(lines) == 2
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_no_half_file(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    argv = [sys.executable, "-m", "edgekit", *command, "--frames", "1000000", "--no-plot"]
    process = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        while "timing" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "interrupted" in said
    assert list((tmp_path / "out").iterdir()) == []


def test_batches_are_numbers_or_double_until_memory_ends() -> None:
    assert parse_batches(["1", "16"]) == [1, 16] and parse_batches([]) == []
    assert parse_batches(["auto"]) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    for wrong in (["x"], ["1", "auto"], ["-1"], ["9" * 40]):
        with pytest.raises(ConfigError, match="--batch has"):
            parse_batches(wrong)


def test_devices_by_index_are_a_row_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    measured: list[Cell] = []

    def run_bench(cells: Sequence[Cell], folder: Path, **options: object) -> None:
        measured.extend(cells)
        raise ConfigError("stopped before anything runs", hint="-")

    monkeypatch.setattr("edgekit.evaluation.bench.grid.require_device", requested.append)
    monkeypatch.setattr("edgekit.evaluation.bench.run.run_bench", run_bench)
    model = save_tiny_yolo(tmp_path / "m.onnx", family="yolov8")
    assert main(["bench", "--model", str(model), "--device", "0,1", "cpu", "-o", str(tmp_path / "out")]) == 2
    assert requested == [cell.device for cell in measured] == ["0", "1", "cpu"]


def test_labels_of_maps_are_for_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_map(tmp_path / "depth.onnx", tiny_depth())
    (tmp_path / "data.yaml").write_text("path: .\nval: images\nnc: 1\n")
    command = ["bench", "--model", str(model), "--data", str(tmp_path / "data.yaml"), "-o", str(tmp_path / "out")]
    assert main(command) == 2
    shown = capsys.readouterr().err
    assert "depth.onnx gives maps (depth), which bench does not score" in shown and "edgekit eval" in shown

"""`edgekit estimate` at work on small graphs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgekit.cli.main import main
from tests.latency.graphs import two_convs


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(two_convs())
    return path


def test_the_screen_says_that_it_is_an_estimate(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(quantized)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("static estimate: ") and "error band" in printed
    assert "board, by measured offsets" in printed and "one thread unknown" in printed
    assert "first" in printed and "multiply array" in printed


def test_the_task_gives_the_latency_of_one_thread(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(quantized), "--task", "segment"]) == 0
    assert re.search(r"one thread about 5\.[56] ms", capsys.readouterr().out)


def test_json_on_the_screen_and_in_a_file(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = quantized.with_name("estimate.json")
    assert main(["estimate", str(quantized), "--json", "-o", str(written)]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value == json.loads(written.read_text())
    assert value["schema"] == "edgekit.estimate/1" and value["kind"] == "static estimate"
    assert value["frame_ms"] == pytest.approx(sum(layer["frame_us"] for layer in value["layers"]) / 1e3, abs=1e-3)
    assert value["frame_ms_low"] < value["frame_ms"] < value["frame_ms_high"]
    assert value["cross_validation"]["int8"]["builds"] > 0
    assert main(["estimate", str(quantized), "-o", str(written)]) == 2
    assert "exist" in capsys.readouterr().err


def test_every_layer_on_request(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(quantized), "--layers"]) == 0
    assert "layers, as they run" in capsys.readouterr().out


def test_two_lines_for_what_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(tmp_path / "none.bin")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 2 and error[0].startswith("error: ") and error[1].startswith("hint: ")

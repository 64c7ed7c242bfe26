"""`edgekit verify` at work on small graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.sim.container import write_sim_bin
from edgekit.sim.ops.lut import Lut
from edgekit.sim.verify import compare_integers
from tests.sim.synthetic import NodeSpec, graph_bytes
from tests.sim.test_device import image_graph


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    path = tmp_path / "m_quantized_model.onnx"
    path.write_bytes(image_graph("nv12"))
    return path


def report(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main(["verify", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.needs_kernels
def test_a_graph_is_equal_to_itself(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(capsys, quantized, "--num", 2, "--stats", "--profile")
    assert code == 0 and found["passed"] and found["frames"] == 2
    assert all(c["elements"] > 0 and c["differing"] == 0 for c in found["comparisons"])
    stats = {row["name"]: row for row in found["stats"]}
    assert stats["p"]["dtype"] == "int16" and stats["p"]["low"] < 0 < stats["p"]["high"]
    assert found["profile"][0]["milliseconds"] > 0


@pytest.mark.needs_kernels
def test_a_simulated_bin_and_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.bin"
    write_sim_bin(path, image_graph("nv12"), march="bayes-e")
    images = tmp_path / "images"
    images.mkdir()
    cv2.imwrite(str(images / "a.png"), np.full((8, 9, 3), 200, np.uint8))
    code, found = report(capsys, path, "--images", images)
    assert code == 0 and found["passed"]


@pytest.mark.needs_kernels
def test_the_table_names_operators(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(quantized)]) == 0
    printed = capsys.readouterr().out
    assert "HzSQuantizedPreprocess" in printed and "elements, equal" in printed


@pytest.mark.needs_kernels
def test_a_difference_is_counted_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = np.arange(-128, 128).astype(np.int8)
    path = tmp_path / "m_quantized_model.onnx"
    node = NodeSpec("HzLut", ["x", "t"], ["y"], {}, {"t": table})
    path.write_bytes(graph_bytes([node], {"x": ("int8", (1, 4, 4, 3))}, {"y": ("int8", (1, 4, 4, 3))}))
    calls = []

    def other_each_time(self: Lut, x: np.ndarray) -> tuple[np.ndarray]:
        calls.append(x.size)
        return (x if len(calls) == 1 else np.bitwise_not(x),)

    monkeypatch.setattr(Lut, "run", other_each_time)
    code, found = report(capsys, path)
    assert code == 1 and not found["passed"]
    assert max(c["differing"] for c in found["comparisons"]) == 48


def test_shapes_and_dtypes_count_as_differences() -> None:
    one, other = np.zeros(4, np.int16), np.zeros(4, np.int32)
    assert compare_integers("k", {"a": one}, {"a": other}).differing == 4
    assert compare_integers("k", {"a": one}, {"a": one}).differing == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.bin"], "does not exist"),
        (["{q}", "--num", "0"], "--num is 0"),
        (["{q}", "--images", "."], "no images"),
    ],
)
def test_bad_input(
    arguments: list[str],
    says: str,
    quantized: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert main(["verify", *(a.format(q=quantized) for a in arguments)]) == 2
    error = capsys.readouterr().err
    assert says in error and "hint:" in error


def test_a_real_bin_needs_its_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "real.bin").write_bytes(b"\x08\x05" + bytes(40))
    assert main(["verify", str(tmp_path / "real.bin")]) == 2
    assert "no quantized graph beside it" in capsys.readouterr().err


@pytest.mark.needs_kernels
def test_workers_equal_one_process(quantized: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = report(capsys, quantized, "--num", 3)
    assert report(capsys, quantized, "--num", 3, "--workers", 2) == expected
    assert expected[0] == 0 and expected[1]["frames"] == 3

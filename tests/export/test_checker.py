"""The real checker takes every cut graph, with every node on the BPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.compilation.toolchain.find import Toolchain
from edgekit.compilation.toolchain.run import run_command
from edgekit.export import CutOptions, cut_model
from edgekit.logs.mapper_log import MapperLog
from edgekit.logs.read_log import read_file
from tests.export.test_equivalence import SHARED
from tests.tiny_yolo import save_tiny_yolo

pytestmark = pytest.mark.toolchain

TINY = [
    ("yolov5", "segment", {}),
    ("yolov5u", "detect", {}),
    ("yolov9", "segment", {}),
    ("yolov10", "detect", {"end_to_end": True, "opset": 13}),
    ("yolo11", "pose", {}),
    ("yolo12", "obb", {"opset": 17}),
    ("yolov13", "segment", {}),
    ("yolo26", "obb", {"opset": 17}),
    ("yolo26", "pose", {"end_to_end": True, "opset": 17}),
    ("yolo26", "classify", {"opset": 17}),
]


def check(toolchain: Toolchain, heads: Path) -> MapperLog:
    """What the checker says of a cut graph."""
    arguments = ("checker", "--model-type", "onnx", "--march", "bayes-e", "--model", heads.name)
    finished = run_command(toolchain.command("hb_mapper", *arguments), cwd=heads.parent, timeout_seconds=600)
    assert finished.returncode == 0, "\n".join(finished.lines[-20:])
    log = read_file(heads.parent / "hb_mapper_checker.log").content
    assert isinstance(log, MapperLog)
    assert log.failure is None
    return log


@pytest.mark.parametrize("name", [*SHARED, "random/yolov8n-cls.onnx"])
def test_shared_graphs_run_on_the_bpu_whole(name: str, shared_data: Path, toolchain: Toolchain, tmp_path: Path) -> None:
    cut_model(shared_data / "models" / name, tmp_path / "heads.onnx")
    log = check(toolchain, tmp_path / "heads.onnx")
    assert len(log.nodes) > 50
    assert [row.name for row in log.nodes if row.on != "BPU"] == []


@pytest.mark.parametrize(("family", "task", "options"), TINY)
def test_other_families_run_on_the_bpu_whole(
    family: str, task: str, options: dict[str, object], toolchain: Toolchain, tmp_path: Path
) -> None:
    stock = save_tiny_yolo(tmp_path / "m.onnx", family=family, task=task, size_wh=(160, 96), **options)
    cut_model(stock, tmp_path / "heads.onnx")
    assert [row.name for row in check(toolchain, tmp_path / "heads.onnx").nodes if row.on != "BPU"] == []


def test_without_the_rewrite_softmax_stays_on_the_cpu(toolchain: Toolchain, tmp_path: Path) -> None:
    stock = save_tiny_yolo(tmp_path / "m.onnx", family="yolo11", size_wh=(160, 96))
    cut_model(stock, tmp_path / "heads.onnx", CutOptions(keep_softmax=True))
    on_cpu = [row.type for row in check(toolchain, tmp_path / "heads.onnx").nodes if row.on != "BPU"]
    assert on_cpu == ["Softmax"]

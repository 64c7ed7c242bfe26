"""Of every further kind of export the real checker puts every node on the BPU: Q/DQ twins, open vocabularies.

An interpreter with Ultralytics, named by EDGEKIT_ULTRALYTICS_PYTHON, exports the real ones; without it those skip.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import version_converter

from edgekit.compilation.toolchain.find import Toolchain
from edgekit.export import cut_file
from edgekit.graph.declared_quantization import read_declared
from tests.export.test_checker import check
from tests.export.test_similarity import SPELLINGS, open_vocabulary
from tests.qdq_twins import qdq_twin
from tests.tiny_yolo import save_tiny_yolo
from tests.ultralytics_exports import ultralytics_export

pytestmark = pytest.mark.toolchain
OPEN_VOCABULARIES = ("yoloe-v8-seg", "yoloe-11", "yoloe-26-seg", "yolov8-worldv2")


def off_the_bpu(toolchain: Toolchain, stock: onnx.ModelProto, folder: Path) -> list[str]:
    """The nodes of a cut graph that the checker does not put on the BPU."""
    onnx.save(stock, str(folder / "stock.onnx"))
    cut_file(folder / "stock.onnx", folder / "heads.onnx")
    log = check(toolchain, folder / "heads.onnx")
    assert len(log.nodes) > 20
    return [f"{row.type} {row.name}" for row in log.nodes if row.on != "BPU"]


@pytest.mark.parametrize(("family", "task"), [("yolov8", "segment"), ("yolo11", "pose"), ("yolo26", "detect")])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_small_qdq_twin_runs_on_the_bpu_whole(
    family: str, task: str, symmetric: bool, toolchain: Toolchain, tmp_path: Path
) -> None:
    stock = save_tiny_yolo(tmp_path / "m.onnx", family=family, task=task, opset=13, size_wh=(160, 96))
    assert off_the_bpu(toolchain, qdq_twin(stock, symmetric=symmetric), tmp_path) == []
    assert read_declared(onnx.load(tmp_path / "heads.onnx"))


@pytest.mark.parametrize("name", ["yolov8n-seg.onnx", "trained/yolo11n.onnx", "trained/yolov5n.onnx"])
def test_a_trained_qdq_twin_runs_on_the_bpu_whole(
    name: str, shared_data: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    newer = tmp_path / "opset13.onnx"
    onnx.save(version_converter.convert_version(onnx.load(shared_data / "models" / name), 13), str(newer))
    assert off_the_bpu(toolchain, qdq_twin(newer), tmp_path) == []


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
def test_a_small_open_vocabulary_runs_on_the_bpu_whole(spelling, toolchain: Toolchain, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert off_the_bpu(toolchain, open_vocabulary(spelling), tmp_path) == []


@pytest.mark.parametrize("description", OPEN_VOCABULARIES)
def test_an_open_vocabulary_export_runs_on_the_bpu_whole(
    description: str, toolchain: Toolchain, tmp_path: Path
) -> None:
    stock = onnx.load(ultralytics_export(tmp_path, description))
    assert off_the_bpu(toolchain, stock, tmp_path) == []

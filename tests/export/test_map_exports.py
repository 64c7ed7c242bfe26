"""Real exports of semantic segmentation and depth: cut with proof, decoded as the export does, all of it on the BPU.

An interpreter with Ultralytics, named by EDGEKIT_ULTRALYTICS_PYTHON, exports them with random weights in a process of
its own; without it these tests skip.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit.compilation.toolchain.find import Toolchain
from edgekit.decode import DecodeOptions, Decoder
from edgekit.export import cut_model
from edgekit.graph.onnx_graph import load_model, open_session
from edgekit.ops.letterbox import Letterbox
from edgekit.results import DepthMap, SemanticMap
from tests.export.test_checker import check
from tests.tiny_maps import save_tiny_map, tiny_depth, tiny_semantic

SIZE = 320
SAME = Letterbox((SIZE, SIZE), (SIZE, SIZE), (SIZE, SIZE), 0, 0)
EXPORT = """
import sys
from ultralytics import YOLO
YOLO(sys.argv[1]).export(format="onnx", imgsz=int(sys.argv[2]), simplify=False)
"""


def _exported(folder: Path, description: str) -> Path:
    python = os.environ.get("EDGEKIT_ULTRALYTICS_PYTHON")
    if not python:
        pytest.skip("EDGEKIT_ULTRALYTICS_PYTHON names no interpreter with Ultralytics")
    settings = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    subprocess.run(
        [python, "-c", EXPORT, f"{description}.yaml", str(SIZE)], cwd=folder, env=settings, check=True, timeout=1800
    )
    return folder / f"{description}.onnx"


@pytest.mark.slow
@pytest.mark.parametrize("description", ["yolo26n-sem", "yolo26n-depth"])
def test_an_export_is_decoded_as_it_does_itself(tmp_path: Path, description: str) -> None:
    stock = _exported(tmp_path, description)
    spec = cut_model(stock, tmp_path / "heads.onnx")
    image = {spec.input.name: np.random.default_rng(0).random((1, 3, SIZE, SIZE), np.float32)}
    (expected,) = open_session(load_model(stock))(image).values()
    heads = open_session(load_model(tmp_path / "heads.onnx"))(image)
    results = Decoder(spec, DecodeOptions(full_size=True))(heads, SAME)
    if isinstance(results, SemanticMap):
        assert np.mean(results.class_map != expected.reshape(SIZE, SIZE)) < 1e-3  # ties within float32
    else:
        assert isinstance(results, DepthMap)
        np.testing.assert_allclose(results.depth, expected.reshape(SIZE, SIZE), rtol=2e-3)


@pytest.mark.toolchain
@pytest.mark.parametrize("description", ["yolo26n-sem", "yolo26n-depth"])
def test_an_export_runs_on_the_bpu_whole(tmp_path: Path, description: str, toolchain: Toolchain) -> None:
    cut_model(_exported(tmp_path, description), tmp_path / "heads.onnx")
    log = check(toolchain, tmp_path / "heads.onnx")
    assert len(log.nodes) > 50
    assert [row.name for row in log.nodes if row.on != "BPU"] == []


@pytest.mark.toolchain
@pytest.mark.parametrize("task", ["semantic", "depth"])
def test_a_tiny_map_runs_on_the_bpu_whole(tmp_path: Path, task: str, toolchain: Toolchain) -> None:
    model = tiny_semantic(size_wh=(160, 96)) if task == "semantic" else tiny_depth(size_wh=(160, 96), ultralytics=True)
    cut_model(save_tiny_map(tmp_path / "m.onnx", model), tmp_path / "heads.onnx")
    assert [row.name for row in check(toolchain, tmp_path / "heads.onnx").nodes if row.on != "BPU"] == []

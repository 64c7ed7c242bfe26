"""What the real toolchain prints today, of builds that go well and of those that fail, is understood."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.compilation.toolchain.find import Toolchain
from edgekit.compilation.toolchain.run import run_command
from edgekit.report.gather import collect
from edgekit.report.report import make_report
from tests.typed import required

pytestmark = pytest.mark.toolchain
YAML = """\
model_parameters: {{onnx_model: model.onnx, march: {march}, working_dir: out, output_model_file_prefix: tiny}}
input_parameters: {{input_name: '', input_type_rt: nv12, input_type_train: rgb, input_layout_train: NCHW,
  norm_type: data_scale, scale_value: 0.003921568627451}}
calibration_parameters: {{cal_data_dir: {calibration}, cal_data_type: float32, calibration_type: {method}}}
compiler_parameters: {{compile_mode: latency, debug: true, optimize_level: O0}}
"""


def write_model(
    path: Path, *, opset: int = 11, ir_version: int = 6, shape: tuple[int | str, ...] = (1, 3, 64, 64)
) -> None:
    """Two convolutions with a Softmax between them, which stays on the CPU."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.3, s).astype(np.float32) for s in ((16, 3, 3, 3), (8, 16, 1, 1))]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w0"], ["c0"], "/model.0/conv/Conv", pads=[1, 1, 1, 1]),
            helper.make_node("Softmax", ["c0"], ["s"], "/model.1/Softmax", axis=3),
            helper.make_node("Conv", ["s", "w1"], ["y"], "/model.2/conv/Conv"),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))


def makertbin(
    toolchain: Toolchain,
    folder: Path,
    *,
    march: str = "bayes-e",
    calibration: str = "cal",
    method: str = "default",
    values: int = 3 * 64 * 64,
    **model: object,
) -> Path:
    """Runs makertbin in `folder`, console captured; returns the folder."""
    write_model(folder / "model.onnx", **model)  # type: ignore[arg-type]
    (folder / "cal").mkdir()
    rng = np.random.default_rng(1)
    for i in range(2):
        rng.uniform(0, 255, values).astype(np.float32).tofile(folder / "cal" / f"{i}.rgbchw")
    (folder / "c.yaml").write_text(YAML.format(march=march, calibration=calibration, method=method))
    command = toolchain.command(
        "hb_mapper", "makertbin", "--model-type", "onnx", "--config", "c.yaml", folders=[folder]
    )
    run_command(command, cwd=folder, log_path=folder / "console.txt", timeout_seconds=300)
    return folder


def test_a_build_with_a_softmax_in_its_middle(toolchain, tmp_path):
    (build,) = collect(makertbin(toolchain, tmp_path)).builds
    console = (tmp_path / "console.txt").read_bytes()
    assert required(build.log).finished
    assert required(build.log).config is not None
    assert len(required(build.log).nodes) == len(re.findall(rb"(?m)^\S.*\s(?:BPU|CPU)\s+(?:id\(|--)", console)) == 4
    assert [row.on for row in required(build.log).nodes] == ["BPU", "BPU", "CPU", "BPU"]
    assert len(required(build.log).estimates) == console.count(b"FPS=") == 2
    assert required(build.estimate).latency_us == pytest.approx(required(build.static).latency_us, abs=1)
    assert [layer.name for layer in required(build.static).layers][-1].startswith("/model.2/conv/Conv")
    assert all(layer.compute_us > 0 for layer in required(build.static).layers)
    assert (required(build.bin).march, required(build.bin).outputs[0].shape) == ("bayes-e", (1, 8, 64, 64))
    report = make_report(build)
    rules = {finding.rule for finding in report.verdict.findings}
    assert {"few_samples", "optimize_level", "cpu_nodes"} <= rules
    assert required(report.facts.flow).source == "quant_info.json"
    assert report.facts.cpu.crossings == 2


FAILING: dict[str, dict[str, Any]] = {
    "opset": {"opset": 17, "ir_version": 8},
    "ir_version": {"ir_version": 10},
    "dynamic_shape": {"shape": ("N", 3, "H", "W")},
    "calibration_size": {"values": 3 * 60 * 64},
    "missing_file": {"calibration": "none"},
    "yaml_value": {"method": "best"},
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_failure_is_recognised_in_both_forms_of_its_log(toolchain, tmp_path, kind):
    folder = makertbin(toolchain, tmp_path, **FAILING[kind])
    for name in ("console.txt", "hb_mapper_makertbin.log"):
        log = collect(folder / name).builds[0].log
        assert required(required(log).failure).kind == kind, required(log).failure
        assert "not said" not in required(required(log).failure).message
    (build,) = collect(folder).builds  # both forms are one run
    assert make_report(build).verdict.grade == "failed"

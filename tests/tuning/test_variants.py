"""What is folded into the float graph: bias correction takes back what int8 weights shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edgekit.calibration.pipeline import calibrate
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.variants import write_corrected, write_rounded
from edgekit.tuning.workspace import SETS, Workspace
from tests.tuning.test_tune import material

__all__ = ["material"]  # a fixture
CANDIDATE = Candidate("some")


@pytest.fixture
def workspace(material: Path, tmp_path: Path) -> Workspace:
    calibrate(material / "tiny.onnx", material / "images", tmp_path / SETS / "some", num=12, input_kind="rgb")
    return Workspace(tmp_path)


def channel_means(model: onnx.ModelProto, workspace: Workspace) -> list[np.ndarray]:
    """The mean of every output channel over the calibration images."""
    job = workspace.model("some", CANDIDATE.graph).job
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = []
    for path in job.calibration_files:
        x = np.fromfile(path, np.float32).reshape(job.input_shape) / np.float32(255)
        found.append([y.reshape(-1, y.shape[-1]).mean(axis=0) for y in session.run(None, {job.input_name: x})])
    return [np.mean(rows, axis=0) for rows in zip(*found, strict=True)]


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the weights of its convolutions as int8 per output channel can hold them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {node.input[1] for node in copy.graph.node if node.op_type == "Conv"}
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            values = numpy_helper.to_array(tensor)
            step = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 127
            tensor.CopyFrom(numpy_helper.from_array((np.rint(values / step) * step).astype(np.float32), tensor.name))
    return copy


def test_the_corrected_graph_has_the_float_models_means(workspace: Workspace) -> None:
    model = onnx.load(workspace.model("some", CANDIDATE.graph).job.onnx_path)
    assert write_corrected(workspace, CANDIDATE, "corrected") > 10
    corrected = onnx.load(workspace.graph_path("corrected"))
    truth, plain, better = (channel_means(one, workspace) for one in (model, rounded(model), rounded(corrected)))
    shift, left = (
        np.sqrt(np.mean([np.mean((a - b) ** 2) for a, b in zip(one, truth, strict=True)])) for one in (plain, better)
    )
    assert left < 0.5 * shift


def test_weights_on_an_int8_grid_need_no_correction(workspace: Workspace) -> None:
    path = workspace.model("some", CANDIDATE.graph).job.onnx_path
    grid = rounded(onnx.load(path))
    transposed = {node.input[1] for node in grid.graph.node if node.op_type == "ConvTranspose"}
    for tensor in grid.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4:
            axes = (0, 2, 3) if tensor.name in transposed else (1, 2, 3)
            whole = np.rint(values / np.abs(values).max(axis=axes, keepdims=True) * 127)
            tensor.CopyFrom(numpy_helper.from_array((whole / 128).astype(np.float32), tensor.name))
    onnx.save(grid, str(path))
    (path.parent / "manifest.json").unlink()  # which holds the hash of the model as it was
    workspace = Workspace(workspace.folder)
    assert write_corrected(workspace, CANDIDATE, "none") == 0
    assert not workspace.graph_path("none").exists()


def test_the_rounded_graph_has_nothing_left_to_correct(workspace: Workspace) -> None:
    """Its weights lie on their grids; what rounding shifts stands in its biases."""
    assert write_rounded(workspace, CANDIDATE, "rounded") > 10
    assert workspace.model("some", "rounded").graph.outputs == workspace.model("some", CANDIDATE.graph).graph.outputs
    model = onnx.load(workspace.model("some", CANDIDATE.graph).job.onnx_path)
    written = onnx.load(workspace.graph_path("rounded"))
    again = rounded(written)
    for before, after in zip(written.graph.initializer, again.graph.initializer, strict=True):
        assert np.allclose(numpy_helper.to_array(before), numpy_helper.to_array(after), atol=1e-6), before.name
    truth, plain, better = (channel_means(one, workspace) for one in (model, rounded(model), again))
    shift, left = (
        np.sqrt(np.mean([np.mean((a - b) ** 2) for a, b in zip(one, truth, strict=True)])) for one in (plain, better)
    )
    assert left < 0.5 * shift

"""What the simulated compiler does not know is named at the cut; the vendor's compiler may still take the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.cli.main import main
from edgekit.errors import ModelError
from edgekit.export import CutOptions, cut_file
from edgekit.export.input_options import NORMALIZATIONS, InputOptions
from edgekit.sim.compiler.supported import support_warning, unknown_nodes
from edgekit.spec import ModelSpec
from tests.tiny_inputs import NETS

RAW = ["--task", "raw", "--normalize", "unit"]


def save_net(path: Path, *nodes: onnx.NodeProto, **constants: np.ndarray) -> Path:
    """A convolution "x" of the image in front of `nodes`, the last of which makes "y", (1, 4, 16, 16)."""
    weight = np.random.default_rng(0).normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    conv = helper.make_node("Conv", ["image", "w"], ["x"], "conv", pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [conv, *nodes],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 16, 16])],
        [numpy_helper.from_array(v, n) for n, v in {"w": weight, **constants}.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
    return path


def cut(folder: Path, *nodes: onnx.NodeProto, **constants: np.ndarray) -> tuple[Path, ModelSpec]:
    """A cut model and its sidecar."""
    options = CutOptions(task="raw", inputs=InputOptions(*NORMALIZATIONS["unit"]))
    heads = folder / "heads.onnx"
    return heads, cut_file(save_net(folder / "net.onnx", *nodes, **constants), heads, options).spec


def test_operators_without_a_form_are_listed_with_their_nodes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Erf", ["x"], ["a"], "first"),
        helper.make_node("Erf", ["a"], ["b"], "second"),
        helper.make_node("Sinh", ["b"], ["y"], "third"),
    ]
    model, spec = cut(tmp_path, *nodes)
    unknown = unknown_nodes(model, spec)
    assert unknown is not None
    assert unknown.nodes == {"Erf": ("first", "second"), "Sinh": ("third",)}
    warning = support_warning(model, spec)
    assert "does not know Erf (first and 1 more), Sinh (third)" in warning
    assert "--toolchain hb_mapper" in warning


def test_attributes_that_no_emitter_takes_are_named(tmp_path: Path) -> None:
    pool = helper.make_node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[3, 3], pads=[2] * 4, dilations=[2, 2])
    model, spec = cut(tmp_path, pool)
    unknown = unknown_nodes(model, spec)
    assert unknown is not None and not unknown.nodes
    assert unknown.reason.startswith("node 'pool' (MaxPool) uses auto_pad or dilations")
    assert "cannot build it: node 'pool'" in support_warning(model, spec)


@pytest.mark.parametrize("net", NETS)
def test_what_it_knows_says_nothing(tmp_path: Path, net: str) -> None:
    inputs = InputOptions() if net == "featuremap" else InputOptions(*NORMALIZATIONS["imagenet"])
    heads = tmp_path / "heads.onnx"
    spec = cut_file(NETS[net](tmp_path / "net.onnx"), heads, CutOptions(task="raw", inputs=inputs)).spec
    assert unknown_nodes(heads, spec) is None and support_warning(heads, spec) == ""


def test_the_cut_is_made_and_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_net(tmp_path / "net.onnx", helper.make_node("Erf", ["x"], ["y"], "first"))
    heads = str(tmp_path / "heads.onnx")
    assert main(["cut", str(model), "-o", heads, *RAW]) == 0
    assert "warning: the simulated compiler does not know Erf (first)" in capsys.readouterr().out
    assert main(["cut", str(model), "-o", heads, *RAW, "--overwrite", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["warnings"]) == 1


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    model, spec = cut(tmp_path, helper.make_node("Relu", ["x"], ["y"], "relu"))
    model.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        unknown_nodes(model, spec)

"""The real toolchain on raw models of several inputs, on featuremaps and on batches: compiled, and near to float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.binary.bin_format import read_bin
from edgekit.calibration.pipeline import calibrate
from edgekit.compilation.build import compile_model
from edgekit.compilation.toolchain.find import Toolchain
from edgekit.evaluation.compare import compare_models
from edgekit.export import CutOptions
from edgekit.export.input_options import InputOptions
from edgekit.runtime.session import load
from edgekit.spec import load_spec, sidecar_path
from tests.compilation.test_several_inputs import make
from tests.images import write_images
from tests.tiny_inputs import NETS
from tests.tiny_yolo import save_tiny_yolo

pytestmark = pytest.mark.toolchain

ON_CPU = ("Quantize", "Dequantize", "Reshape")  # the roundings of featuremaps, the heads, and a flat output


@pytest.mark.parametrize("net", NETS)
def test_several_inputs_compile_with_every_operator_on_the_bpu(toolchain: Toolchain, tmp_path: Path, net: str) -> None:
    made = make(tmp_path, net, "rgb")
    built = compile_model(made.yaml_path, toolchain="hb_mapper", optimize="O0")
    info = read_bin(built.bin_path)
    assert {item.name for item in info.inputs} == {item.name for item in made.spec.inputs}
    assert {node.op_type for node in info.nodes if node.on_cpu} <= set(ON_CPU)
    result = compare_models(made.model_path, built.quantized_path, tmp_path / "data", num=3)
    assert min(head.cosine for head in result.heads.values()) > 0.99


def test_a_batch_is_in_the_bin_and_not_in_its_graph(toolchain: Toolchain, tmp_path: Path) -> None:
    write_images(tmp_path / "images", 4)
    model = save_tiny_yolo(tmp_path / "tiny.onnx", batch=4)
    made = calibrate(
        model,
        tmp_path / "images",
        tmp_path / "work",
        num=4,
        calibration="max",
        cut_options=CutOptions(inputs=InputOptions(batch=4)),
    )
    built = compile_model(made.yaml_path, toolchain="hb_mapper", optimize="O0")
    assert built.modified_bin_path is not None
    info, spec = read_bin(built.modified_bin_path), load_spec(sidecar_path(built.modified_bin_path))
    assert {output.shape[0] for output in info.outputs} == {info.inputs[0].shape[0]} == {4}
    assert (spec.input.batch, {head.shape[0] for head in spec.outputs}) == (4, {1})
    with load(built.quantized_path) as session:  # what runs without a board
        assert session.images_per_call == 1
        assert session.device.inputs[0].shape[0] == 1
        assert len(session.predict_batch([np.zeros((64, 96, 3), np.uint8)] * 2)) == 2

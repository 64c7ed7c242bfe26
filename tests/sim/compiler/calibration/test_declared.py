"""Thresholds and weight grids of a Q/DQ export in the simulated compile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.compilation.build import compile_model
from edgekit.export import cut_model
from edgekit.graph.declared_quantization import DeclaredQuantization, read_declared
from edgekit.logs.quant_info import read_quant_info
from edgekit.sim.compiler.calibration.declared import declared_thresholds
from edgekit.sim.compiler.scales import ScalePlan
from tests.qdq_twins import qdq_twin
from tests.sim.compiler.works import make_work


def test_the_deciding_tensor_speaks_for_its_scale() -> None:
    plan = ScalePlan(
        source={"a": "cat", "b": "cat", "cat": "cat", "c": "c", "half": "c", "d": "d"},
        factor={"a": 1.0, "b": 1.0, "cat": 1.0, "c": 1.0, "half": 0.5, "d": 1.0},
        bits=dict.fromkeys(("a", "b", "cat", "c", "half", "d"), 8),
    )
    assert declared_thresholds(DeclaredQuantization({"a": 2.0, "cat": 3.0}), plan) == {"cat": 3.0}
    assert declared_thresholds(DeclaredQuantization({"a": 2.0, "b": 5.0, "half": 1.0}), plan) == {"cat": 5.0, "c": 2.0}
    assert declared_thresholds(DeclaredQuantization({"elsewhere": 2.0}), plan) == {}


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_build_of_a_quantized_export_keeps_its_integers(tmp_path: Path, per_channel: bool) -> None:
    yaml = make_work(tmp_path / "work", opset=13)
    twin = tmp_path / "twin.onnx"
    onnx.save(qdq_twin(yaml.parent / "stock.onnx", per_channel=per_channel), str(twin))
    heads = yaml.parent / "tiny_heads.onnx"
    cut_model(twin, heads)
    result = compile_model(yaml, toolchain="sim")
    declared, model = read_declared(onnx.load(heads)), onnx.load(heads)
    floats = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    quantized = onnx.load(result.quantized_path)
    integers = {i.name: numpy_helper.to_array(i) for i in quantized.graph.initializer}
    weights = {node.name: node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    compared = 0
    for node in quantized.graph.node:
        if node.op_type != "HzSQuantizedConv" or node.name not in weights:
            continue
        name = weights[node.name]
        scales = np.broadcast_to(declared.weight_scales[name], (floats[name].shape[0],)).reshape(-1, 1, 1, 1)
        np.testing.assert_array_equal(
            integers[node.input[1]].transpose(0, 3, 1, 2), np.rint(floats[name].astype(np.float64) / scales)
        )
        compared += 1
    assert compared > 15
    by_tensor = {
        tensor: values[0]
        for node in read_quant_info(result.files["quant_info"])
        for tensor, values in zip(node.inputs, node.thresholds, strict=True)
        if values
    }
    own = [name for name, value in declared.thresholds.items() if by_tensor.get(name) == pytest.approx(value, rel=1e-4)]
    assert len(own) > 20
    assert any("the model's own" in note for note in result.notes)
    assert min(result.output_cosines.values()) > 0.99

"""The interpreter: in float it is onnxruntime, with rounding it is the integer graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

torch = pytest.importorskip("torch", minversion="2.1")

from edgekit.calibration.samples import normalisation_of, read_sample  # noqa: E402
from edgekit.compilation.job import load_job  # noqa: E402
from edgekit.errors import ModelError  # noqa: E402
from edgekit.graph.float_graph import FloatNode  # noqa: E402
from edgekit.graph.float_runner import FloatRunner  # noqa: E402
from edgekit.learn.fake_quantization import round_weight, weight_step  # noqa: E402
from edgekit.learn.network import Network  # noqa: E402
from edgekit.learn.operations import OPERATIONS, TABLES, WEIGHTED, check_operations  # noqa: E402
from edgekit.sim.compiler.calibration.collect import observe  # noqa: E402
from edgekit.sim.compiler.emit.lut import FUNCTIONS  # noqa: E402
from edgekit.sim.compiler.prepared_model import PreparedModel, executor_of, prepare_model  # noqa: E402
from edgekit.sim.compiler.quantize import EMITTERS  # noqa: E402
from tests.learn.conftest import HEADS  # noqa: E402


def first_sample(prepared: PreparedModel) -> np.ndarray:
    job = prepared.job
    return read_sample(job.calibration_files[0], job, normalisation_of(job))


def model_options(family: str, task: str) -> dict[str, Any]:
    return {"family": family, "task": task, **({"size_wh": (64, 64)} if task == "classify" else {})}


@pytest.mark.parametrize(("family", "task"), HEADS)
def test_in_float_it_gives_what_onnxruntime_gives(works: Callable[..., Path], family: str, task: str) -> None:
    prepared = prepare_model(load_job(works(**model_options(family, task))))
    x = first_sample(prepared)
    network = Network(prepared.graph, prepared.plan)
    with torch.no_grad():
        outputs = network.run(torch.from_numpy(x), network.constant_weights("cpu"))
    names = list(prepared.graph.outputs)
    for name, expected in FloatRunner(prepared.job.onnx_path, names).run(x):
        assert outputs[name].shape == expected.shape
        assert np.allclose(outputs[name].numpy(), expected, atol=2e-4 * max(1.0, np.abs(expected).max()))


class _Forced(Network):
    """Every rounded tensor is compared with the integer graph's, which is what the next node reads."""

    def __init__(self, prepared: PreparedModel, integers: Mapping[str, np.ndarray]) -> None:
        super().__init__(prepared.graph, prepared.plan)
        self.integers = integers
        self.steps: dict[str, float] = {}
        self.differences: dict[str, np.ndarray] = {}

    def _rounded(self, tensor: str, x: Any, thresholds: Mapping[str, Any] | None) -> Any:
        rounded = super()._rounded(tensor, x, thresholds)
        if tensor not in self.integers or tensor not in self.plan.source:
            return rounded
        truth = torch.from_numpy(np.ascontiguousarray(self.integers[tensor]))
        self.differences[tensor] = (rounded - truth).numpy() / self.steps[tensor]
        return truth


@pytest.mark.parametrize(("family", "task"), HEADS)
def test_every_tensor_is_rounded_as_the_integer_graph_rounds_it(
    works: Callable[..., Path], family: str, task: str
) -> None:
    """Read from the integer graph's tensors, each is the same but for values between two integers."""
    prepared = prepare_model(load_job(works(**model_options(family, task))))
    histograms = observe(prepared.job, prepared.graph, prepared.plan.observed)
    limits = {name: histogram.largest for name, histogram in histograms.items()}
    quantized = prepared.quantized(limits)
    image = next(iter(prepared.images(prepared.job.calibration_files[:1], [])))
    executor = executor_of(quantized.model)
    values = executor.run(image.board, keep=list(quantized.mappings))
    integers = {mapping.float_name: as_floats(values[name], mapping) for name, mapping in quantized.mappings.items()}
    network = _Forced(prepared, integers)
    network.steps = prepared.plan.scales(limits)
    weights = network.constant_weights("cpu")
    groups = {n.name: int(n.attrs.get("group", 1)) for n in prepared.graph.nodes if n.op == "ConvTranspose"}
    rounded = {
        name: (round_weight(weight, weight_step(weight, transposed_groups=groups.get(name, 0))), bias)
        for name, (weight, bias) in weights.items()
    }
    with torch.no_grad():
        network.run(torch.from_numpy(first_sample(prepared)), rounded, {n: torch.tensor(t) for n, t in limits.items()})
    assert len(network.differences) > 10
    in_floats = {node.output for node in network.graph.nodes if node.op == "Softmax"}  # integers go step by step
    for tensor, differences in network.differences.items():
        if tensor in in_floats:
            continue
        if prepared.plan.bits[tensor] == 8:
            assert np.abs(differences).max() < 1.5, tensor
            assert np.mean(np.abs(differences) > 0.5) < 0.06, tensor
        else:
            assert np.abs(differences).mean() < 32, tensor  # of 32767: interpolated tables


def as_floats(values: np.ndarray, mapping: Any) -> np.ndarray:
    """Integers as the float model's tensor: its unit, NCHW."""
    floats = values.astype(np.float32) * mapping.scale
    return floats.transpose(0, 3, 1, 2) if mapping.layout == "NHWC" else floats


def test_every_operation_of_the_simulated_compiler_has_a_form() -> None:
    """But for the reciprocal of a Softmax, which is one operation here unless its division is split."""
    assert set(EMITTERS) == set(OPERATIONS) | set(WEIGHTED)
    assert set(FUNCTIONS) - {"reciprocal"} == set(TABLES)


@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric"])
def test_maps_are_enlarged_as_the_float_model_does(mode: str) -> None:
    node = FloatNode("r", "Resize", ("x",), ("y",), {"mode": "linear", "coordinate_transformation_mode": mode})
    x = np.random.default_rng(0).random((1, 2, 3, 5), np.float32)
    sizes = onnx.numpy_helper.from_array(np.array([1, 2, 6, 10], np.int64), "sizes")
    empty = [onnx.numpy_helper.from_array(np.zeros(0, np.float32), name) for name in ("roi", "scales")]
    attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
    resize = onnx.helper.make_node("Resize", ["x", "roi", "scales", "sizes"], ["y"], **attributes)
    infos = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", x.shape), ("y", (1, 2, 6, 10)))]
    graph = onnx.helper.make_graph([resize], "g", infos[:1], infos[1:], [*empty, sizes])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=6)
    (expected,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    made = OPERATIONS["Resize"](node, [torch.from_numpy(x)], (1, 2, 6, 10))
    np.testing.assert_allclose(made.numpy(), np.asarray(expected), atol=1e-5)


def test_a_maximum_keeps_its_axis() -> None:
    x = torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4)
    node = FloatNode("m", "ReduceMax", ("x",), ("y",), {"axes": [1], "keepdims": 1})
    assert torch.equal(OPERATIONS["ReduceMax"](node, [x], (1, 1, 3, 4)), x[:, 1:])


def test_an_operation_without_a_form_is_named(works: Callable[..., Path]) -> None:
    prepared = prepare_model(load_job(works()))
    odd = FloatNode("/model.3/Erf", "Erf", (prepared.graph.input,), ("odd",), {})
    with pytest.raises(ModelError, match="'/model.3/Erf' \\(Erf\\) has no form to learn with"):
        check_operations(prepared.graph.with_nodes([odd, *prepared.graph.nodes]))

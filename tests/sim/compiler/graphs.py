"""Tiny float graphs, and their way to integers in memory: no files but the model, thresholds at the maximum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.calibration.samples import Normalisation
from edgekit.graph.float_graph import read_float_graph
from edgekit.graph.float_runner import FloatRunner
from edgekit.graph.pipeline import simplify
from edgekit.sim.compiler.emit.preprocess import ImageInput
from edgekit.sim.compiler.mixed_precision import int16_tensors
from edgekit.sim.compiler.quantize import check_supported, quantize
from edgekit.sim.compiler.scales import plan_scales
from edgekit.sim.executor import ReferenceExecutor
from edgekit.sim.fast import make_executor
from edgekit.sim.graph import load_graph

CHANNELS, HEIGHT, WIDTH = 3, 8, 12


class FloatModel:
    """Collects nodes on the image `images` (1, 3, 8, 12); `head` ends an output as `edgekit cut` does."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.outputs: list[str] = []

    def constant(self, value: Any, name: str = "") -> str:
        name = name or f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: Sequence[str], name: str = "", count: int = 1, **attrs: Any) -> Any:
        name = name or f"{op.lower()}_{len(self.nodes)}"
        outputs = [f"{name}_out{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name, **attrs))
        return outputs[0] if count == 1 else outputs

    def conv(self, x: str, inputs: int, outputs: int, *, k: int = 1, name: str = "", **attrs: Any) -> str:
        group = attrs.get("group", 1)
        weight = self.rng.normal(0, 0.6, (outputs, inputs // group, k, k)).astype(np.float32)
        bias = self.rng.normal(0, 0.3, outputs).astype(np.float32)
        attrs = {"pads": [k // 2] * 4, "kernel_shape": [k, k], **attrs}
        return self.node("Conv", [x, self.constant(weight), self.constant(bias)], name, **attrs)

    def swish(self, x: str) -> str:
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def head(self, x: str) -> None:
        name = f"output_{len(self.outputs)}"
        self.nodes.append(helper.make_node("Transpose", [x], [name], f"to_{name}", perm=[0, 2, 3, 1]))
        self.outputs.append(name)

    def save(self, path: Path) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, CHANNELS, HEIGHT, WIDTH])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self.outputs],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
        onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
        return path


@dataclass(frozen=True)
class Compared:
    """Per output the float truth and what the integers add (NHWC), and the unit of an int8 output.

    `inner` are the integer tensors by the float tensor they stand for, `thresholds` those that were taken.
    """

    truth: dict[str, np.ndarray]
    found: dict[str, np.ndarray]
    step: dict[str, float]
    ops: list[str]
    inner: Mapping[str, np.ndarray] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def steps_off(self, name: str = "output_0") -> float:
        """The largest error in output steps."""
        return float(np.abs(self.truth[name] - self.found[name]).max() / self.step[name])


def compare(
    path: Path,
    build: Callable[[FloatModel], None],
    *,
    int16_tail: bool = False,
    seed: int = 0,
    node_info: Mapping[str, Mapping[str, str]] | None = None,
) -> Compared:
    """Builds, quantizes at the maximum seen on one image, and runs that image both ways, plainly and fast."""
    model = FloatModel(seed)
    build(model)
    model.save(path)
    graph = simplify(read_float_graph(path))
    check_supported(graph)
    plan = plan_scales(graph, int16_tail=int16_tail, int16=int16_tensors(graph, node_info or {}))
    pixels = np.random.default_rng(seed + 1).integers(0, 256, (1, CHANNELS, HEIGHT, WIDTH), np.uint8)
    x = pixels.astype(np.float32) / 255
    observed = dict.fromkeys([*plan.observed, *graph.made.values()])
    runner = FloatRunner(path, [n for n in observed if n != "images" and n not in graph.made])
    values = {"images": x, **dict(runner.run(x))}
    values |= {name: 1 / values[source] for name, source in graph.made.items()}
    thresholds = {name: max(float(np.abs(values[name]).max()), 1e-6) for name in plan.observed}
    scales = plan.scales(thresholds)
    image = ImageInput("images", "rgb", "rgb", "NCHW", "regular", Normalisation((0.0,) * 3, (1 / 255,) * 3))
    quantized = quantize(graph, plan, scales, image)
    loaded, keep = load_graph(quantized.model.SerializeToString()), list(quantized.mappings)
    found = ReferenceExecutor(loaded).run({"images": (pixels ^ 0x80).view(np.int8)}, keep=keep)
    fast = make_executor(loaded, threads=2).run({"images": (pixels ^ 0x80).view(np.int8)}, keep=keep)
    assert all(np.array_equal(fast[name], found[name]) for name in found)
    inner = {mapping.float_name: found[name] for name, mapping in quantized.mappings.items()}
    truth = dict(FloatRunner(path, model.outputs).run(x))
    step = {name: scales.get(tensor, 1.0) for name, tensor in graph.outputs.items()}
    found = {name: found[name] for name in graph.outputs}
    return Compared(truth, found, step, [n.op_type for n in quantized.model.graph.node], inner, thresholds)

"""How large a float graph is: layers, parameters and arithmetic of one image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from edgekit.graph.onnx_graph import attributes, declared_shape, graph_inputs

__all__ = ["ModelSize", "model_size"]

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization")
PASSED_ON = ("DequantizeLinear", "QuantizeLinear", "Cast", "Identity", "Transpose", "Reshape")
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Layers, parameters and arithmetic of a graph.

    Attributes:
        layers: Nodes that have weights.
        parameters: Elements of their weights and biases.
        gflops: 2 x multiply-accumulates of convolutions and matrix products for one image at the input size, in 1e9, as
            Ultralytics publishes it (yolov8n: 8.7 at 640); None where shapes are open.
    """

    layers: int
    parameters: int
    gflops: float | None

    def words(self) -> str:
        """Return the size as text, such as "64 layers with weights, 3.15 M parameters, 8.7 GFLOPs"."""
        count = f"{self.parameters / 1e6:.2f} M" if self.parameters >= 10_000 else str(self.parameters)
        layers = f"{self.layers} layer{'s' * (self.layers != 1)} with weights"
        if self.gflops is None:
            return f"{layers}, {count} parameters"
        digits = ".1f" if self.gflops >= 1 else ".3g"
        return f"{layers}, {count} parameters, {self.gflops:{digits}} GFLOPs"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def model_size(model: onnx.ModelProto) -> ModelSize:
    """Measure a float graph, quantized by Q/DQ or not.

    Args:
        model: As `load_model` returns it.

    Returns:
        Its size; per image where the batch is larger.
    """
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    counted: dict[str, int] = {}
    layers = 0
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        sources = [source for source in (_source(name, makers) for name in node.input[1:]) if source]
        own = {name: math.prod(shape) for name in sources if (shape := _constant_shape(name, weights, makers))}
        layers += bool(own)
        counted |= own
    return ModelSize(layers, sum(counted.values()), _gflops(model))


def _source(name: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    """Return the tensor that `name` is a copy of, through casts and (de)quantization."""
    while name in makers and makers[name].op_type in PASSED_ON and makers[name].input:
        name = makers[name].input[0]
    return name


def _constant_shape(name: str, weights: Shapes, makers: Mapping[str, onnx.NodeProto]) -> tuple[int, ...] | None:
    """Return the shape of a constant with at least one axis; None of anything else."""
    if name in weights:
        return weights[name] or None
    if name in makers and makers[name].op_type == "Constant":
        value = attributes(makers[name]).get("value")
        return tuple(value.dims) or None if isinstance(value, onnx.TensorProto) else None
    return None


def _gflops(model: onnx.ModelProto) -> float | None:
    shapes = _shapes(model)
    total = 0
    for node in model.graph.node:
        macs = _macs(node, shapes)
        if macs is None:
            return None
        total += macs
    inputs = graph_inputs(model)
    batch = declared_shape(inputs[0])[:1] if inputs else ()
    return 2 * total / max(1, *batch, 1) / 1e9


def _macs(node: onnx.NodeProto, shapes: Shapes) -> int | None:
    """Return the multiply-accumulates of a node, 0 for one that has none, None where its shapes are not known."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    first, second, out = (shapes.get(name, ()) for name in (node.input[0], node.input[1], node.output[0]))
    counting = first if node.op_type == "ConvTranspose" else out
    if not (first and second and counting) or 0 in (*first, *second, *counting):
        return None
    if node.op_type in ("Conv", "ConvTranspose"):
        return math.prod(counting) * math.prod(second[1:])
    transposed = node.op_type == "Gemm" and bool(attributes(node).get("transA", 0))
    return math.prod(out) * first[0 if transposed else -1]


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes that inference finds; 0 stands for a side that is open."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model)
    except Exception:  # onnx raises kinds of its own; what is declared stands then
        inferred = model
    graph = inferred.graph
    declared = [*graph.value_info, *graph.input, *graph.output]
    return {
        **{value.name: declared_shape(value) for value in declared},
        **{tensor.name: tuple(tensor.dims) for tensor in graph.initializer},
    }

"""How large a model file is, float or integer: layers, parameters and arithmetic of one image."""

from __future__ import annotations

import math
from pathlib import Path

from edgekit.graph.model_size import ModelSize, model_size
from edgekit.graph.onnx_graph import is_horizon, load_model
from edgekit.latency.source import read_source
from edgekit.sim.graph import Graph
from edgekit.sim.node import Node
from edgekit.sim.ops.conv import Conv
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.matmul import Matmul

__all__ = ["integer_size", "size_of_file"]


def size_of_file(path: Path) -> ModelSize:
    """Measure a model file.

    Args:
        path: A float ONNX, a quantized graph, or a `.bin` (a real one beside its quantized graph).

    Returns:
        Its size.

    Raises:
        EdgekitError: For what is no such model.
    """
    if path.suffix == ".onnx":
        model = load_model(path)
        if not is_horizon(model):
            return model_size(model)
    return integer_size(read_source(path).graph)


def integer_size(graph: Graph) -> ModelSize:
    """Measure an integer graph.

    Args:
        graph: A quantized graph.

    Returns:
        Its size: that of the float graph, but for what a compiler folds or adds.
    """
    weighted = [node.operator for node in graph.nodes if isinstance(node.operator, (Conv, ConvTranspose))]
    parameters = sum(int(operator.weight.size) + int(operator.bias.size) for operator in weighted)
    return ModelSize(len(weighted), parameters, 2 * sum(_macs(graph, node) for node in graph.nodes) / 1e9)


def _macs(graph: Graph, node: Node) -> int:
    operator = node.operator
    if isinstance(operator, Conv):
        return math.prod(_shape(graph, node.outputs[0])) * math.prod(operator.weight.shape[1:])
    if isinstance(operator, ConvTranspose):
        return math.prod(_shape(graph, node.operands[0])) * math.prod(operator.weight.shape[1:])
    if isinstance(operator, Matmul):
        return math.prod(_shape(graph, node.outputs[0])) * _shape(graph, node.operands[0])[-1]
    return 0


def _shape(graph: Graph, name: str) -> tuple[int, ...]:
    return graph.constants[name].shape if name in graph.constants else graph.types[name].shape

"""Multiply-accumulates of a float graph's convolutions."""

from __future__ import annotations

import math

from edgekit.graph.float_graph import FloatGraph, FloatNode

__all__ = ["convolution_macs", "giga_macs"]


def giga_macs(graph: FloatGraph) -> float:
    """Return the multiplications of all convolutions.

    Args:
        graph: A simplified float graph with known shapes.

    Returns:
        Multiplications per image, in 1e9.
    """
    return sum(convolution_macs(graph, node) for node in graph.nodes) / 1e9


def convolution_macs(graph: FloatGraph, node: FloatNode) -> int:
    """Return the multiplications of a convolution.

    Args:
        graph: A simplified float graph with known shapes.
        node: One of its nodes.

    Returns:
        Multiplications per image; 0 for a node that is no convolution.
    """
    if node.op not in ("Conv", "ConvTranspose"):
        return 0
    weight = graph.constants[node.inputs[1]].shape
    shape = graph.shapes[node.output if node.op == "Conv" else node.inputs[0]]
    channels = shape[1] if node.op == "Conv" else weight[0]
    return int(channels * math.prod(weight[1:]) * math.prod(shape[2:]))

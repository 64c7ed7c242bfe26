"""What 16 bits cost on the BPU: extra work of the tensors that are twice as wide, as a share of the int8 build's."""

from __future__ import annotations

import math
from collections.abc import Collection

from edgekit.sim.compiler.float_graph import FloatGraph, Node

# Fitted to the vendor's static performance of yolov8n-seg at 640x640, O3: three 160x160x32 tensors in 16 bits take
# 4985 us to 5507 us per frame.
WIDE_MACS = 2.0  # a 16-bit operand takes the 8-bit multiplier array twice
WIDE_ELEMENT = 240.0  # multiplications that moving and looking up one 16-bit element weighs as, beyond an 8-bit one


def giga_macs(graph: FloatGraph) -> float:
    """Multiplications of all convolutions, in 1e9."""
    return sum(_macs(graph, node) for node in graph.nodes) / 1e9


def extra_cost(graph: FloatGraph, wide: Collection[str]) -> float:
    """The build's time with `wide` in 16 bits over that in 8 bits, less one: an estimate to rank places by."""
    macs = sum(_macs(graph, node) for node in graph.nodes)
    repeated = sum(_macs(graph, node) for node in graph.nodes if node.inputs and node.inputs[0] in wide)
    elements = sum(math.prod(graph.shapes[name]) for name in set(wide))
    return (repeated * (WIDE_MACS - 1) + elements * WIDE_ELEMENT) / max(macs, 1)


def _macs(graph: FloatGraph, node: Node) -> int:
    """Multiplications of a convolution; none for other nodes."""
    if node.op not in ("Conv", "ConvTranspose"):
        return 0
    weight = graph.constants[node.inputs[1]].shape
    places = graph.shapes[node.output if node.op == "Conv" else node.inputs[0]]
    channels = places[1] if node.op == "Conv" else weight[0]
    return int(channels * math.prod(weight[1:]) * math.prod(places[2:]))

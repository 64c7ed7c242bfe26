"""What 16 bits cost on the BPU: extra work of the int16 tensors, as a share of the int8 build's."""

from __future__ import annotations

import math
from collections.abc import Collection

from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.macs import convolution_macs

__all__ = ["extra_cost"]

# Fitted to the vendor's static performance of yolov8n-seg at 640x640, O3: three 160x160x32 tensors in 16 bits take
# 4985 us to 5507 us per frame.
INT16_MACS = 2.0  # a 16-bit operand takes the 8-bit multiplier array twice
INT16_ELEMENT = 240.0  # multiplications that moving and looking up one 16-bit element costs, beyond an 8-bit one


def extra_cost(graph: FloatGraph, int16: Collection[str]) -> float:
    """Estimate the extra time of int16 tensors, to rank them by.

    Args:
        graph: A simplified float graph with known shapes.
        int16: Tensors in 16 bits.

    Returns:
        The build's time over that of the int8 build, less one.
    """
    macs = sum(convolution_macs(graph, node) for node in graph.nodes)
    repeated = sum(convolution_macs(graph, node) for node in graph.nodes if node.inputs and node.inputs[0] in int16)
    elements = sum(math.prod(graph.shapes[name]) for name in set(int16))
    return (repeated * (INT16_MACS - 1) + elements * INT16_ELEMENT) / max(macs, 1)

"""The inside of a Softmax whose division is split: tensors that the quantizer treats in ways of their own."""

from __future__ import annotations

from edgekit.graph.float_graph import SPLIT_SOFTMAX, FloatGraph

__all__ = ["attention_differences", "attention_sums"]


def attention_differences(graph: FloatGraph) -> frozenset[str]:
    """Return the scores less their maximum, which the exponentials read.

    Args:
        graph: The simplified float graph.
    """
    return frozenset(node.output for node in graph.nodes if node.op == "Sub" and SPLIT_SOFTMAX in node.attrs)


def attention_sums(graph: FloatGraph) -> frozenset[str]:
    """Return the sums of exponentials that a convolution with ones makes; those of a ReduceSum are none of them.

    Args:
        graph: The simplified float graph.
    """
    return frozenset(node.output for node in graph.nodes if node.op == "Conv" and SPLIT_SOFTMAX in node.attrs)

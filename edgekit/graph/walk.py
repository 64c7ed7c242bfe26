"""Walking back through a float ONNX graph, from tensors to what makes their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnx

from edgekit.graph.onnx_graph import METADATA_OPS, GraphIndex


def nearest_ancestors(
    index: GraphIndex, tensors: Iterable[str], stops: Callable[[str, onnx.NodeProto], bool]
) -> dict[str, onnx.NodeProto]:
    """Find the nearest ancestors that match on every path back from some tensors.

    Paths through what only reads a shape do not count.

    Args:
        index: The graph.
        tensors: Where to begin.
        stops: Whether a tensor and the node that makes it match; nothing behind it is looked at.

    Returns:
        The nodes by the tensor that they make, in the order of the graph.
    """
    nodes: dict[str, onnx.NodeProto] = {}
    visited, todo = set(), list(tensors)
    while todo:
        name = todo.pop()
        node = index.producers.get(name)
        if node is None or name in visited or node.op_type in METADATA_OPS:
            continue
        visited.add(name)
        if stops(name, node):
            nodes[name] = node
        else:
            todo.extend(node.input)
    return {name: nodes[name] for name in sorted(nodes, key=index.order.__getitem__)}

"""Walking back through a float ONNX graph, from tensors to what makes their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import onnx

from edgekit.graph.onnx_graph import METADATA_OPS, GraphIndex


def met_first(
    index: GraphIndex, tensors: Iterable[str], stops: Callable[[str, onnx.NodeProto], bool]
) -> dict[str, onnx.NodeProto]:
    """Find the nodes that are met first on every way back from some tensors.

    What only reads a tensor's shape is no way.

    Args:
        index: The graph.
        tensors: Where to begin.
        stops: Whether the node that makes a tensor is such a node; nothing behind it is looked at.

    Returns:
        The nodes by the tensor that was met, in the order of the graph.
    """
    met: dict[str, onnx.NodeProto] = {}
    visited, todo = set(), list(tensors)
    while todo:
        name = todo.pop()
        node = index.producers.get(name)
        if node is None or name in visited or node.op_type in METADATA_OPS:
            continue
        visited.add(name)
        if stops(name, node):
            met[name] = node
        else:
            todo.extend(node.input)
    return {name: met[name] for name in sorted(met, key=index.order.__getitem__)}

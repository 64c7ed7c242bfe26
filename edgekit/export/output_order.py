"""The order of nodes in which outputs leave the BPU as early as they can.

The vendor's compiler keeps the order of the file. Exports compute every head at the end, and there the BPU waits for
the memory: the largest output, that of the finest stride, is written when nothing is left to compute.
"""

from __future__ import annotations

import onnx

from edgekit.graph.soundness import inputs_of

__all__ = ["order_by_outputs"]


def order_by_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Order the nodes by outputs: first all of what the output needs that needs least, then what the next one needs.

    Args:
        model: A graph in topological order; it is not changed.

    Returns:
        A copy with the same nodes. Those behind no output come last.
    """
    nodes = list(model.graph.node)
    made_by = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needed = {output.name: _ancestors(output.name, nodes, made_by) for output in model.graph.output}
    placed: dict[int, None] = {}
    while needed:
        nearest = min(needed, key=lambda name: len(needed[name] - placed.keys()))  # the first of equals
        placed |= dict.fromkeys(sorted(needed.pop(nearest) - placed.keys()))
    placed |= dict.fromkeys(range(len(nodes)))
    ordered = onnx.ModelProto()
    ordered.CopyFrom(model)
    del ordered.graph.node[:]
    ordered.graph.node.extend(nodes[i] for i in placed)
    return ordered


def _ancestors(output: str, nodes: list[onnx.NodeProto], made_by: dict[str, int]) -> set[int]:
    """Positions of the nodes that an output needs."""
    needed: set[int] = set()
    todo = [output]
    while todo:
        position = made_by.get(todo.pop())
        if position is not None and position not in needed:
            needed.add(position)
            todo += inputs_of(nodes[position])
    return needed

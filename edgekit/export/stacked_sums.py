"""Sums of stacked maps written as additions.

`torch.sum(torch.stack(maps), dim=0)`, as YOLOv9-E fuses its branches, becomes Unsqueeze, Concat and ReduceSum on an
axis of its own: five axes, which the BPU does not have. Additions of the maps are the same up to rounding.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from edgekit.graph.onnx_graph import GraphIndex, attributes, index_graph

__all__ = ["rewrite_stacked_sums"]


def rewrite_stacked_sums(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Write every sum over a stack of maps as additions.

    Args:
        model: A graph of any opset; it is not changed.

    Returns:
        A copy, or the model itself where there is none; and the names of the sums.
    """
    index = index_graph(model)
    stacks = {node.output[0]: maps for node in model.graph.node if (maps := _stacked(node, index))}
    if not stacks:
        return model, ()
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    del rewritten.graph.node[:]
    for node in model.graph.node:
        rewritten.graph.node.extend(_additions(node, stacks[node.output[0]]) if node.output[0] in stacks else [node])
    return rewritten, tuple(node.name or node.output[0] for node in model.graph.node if node.output[0] in stacks)


def _stacked(node: onnx.NodeProto, index: GraphIndex) -> list[str]:
    """The maps that a ReduceSum adds up; none where it sums over anything else."""
    axes = _axes(node, index)
    stack = index.producers.get(node.input[0]) if node.op_type == "ReduceSum" else None
    if stack is None or stack.op_type != "Concat" or len(axes) != 1 or attributes(node).get("keepdims", 1):
        return []
    if attributes(stack).get("axis") != axes[0] or len(stack.input) < 2:
        return []
    parts = [index.producers.get(name) for name in stack.input]
    maps = [
        part.input[0]
        for part in parts
        if part is not None and part.op_type == "Unsqueeze" and _axes(part, index) == axes
    ]
    return maps if len(maps) == len(parts) else []


def _axes(node: onnx.NodeProto, index: GraphIndex) -> list[int]:
    """An attribute before opset 13, a constant input since then; none where they are computed or left out."""
    stored = index.constants.get(node.input[1]) if len(node.input) > 1 else attributes(node).get("axes")
    axes = np.ravel([] if stored is None else stored)
    return axes.tolist() if axes.dtype.kind in "iu" else []


def _additions(node: onnx.NodeProto, maps: list[str]) -> list[onnx.NodeProto]:
    stem, total, made = node.name or node.output[0], maps[0], []
    for number, name in enumerate(maps[1:], 1):
        output = node.output[0] if number == len(maps) - 1 else f"{node.output[0]}_sum_{number}"
        made.append(helper.make_node("Add", [total, name], [output], f"{stem}/add_{number}"))
        total = output
    return made

"""Relus that a quantizer dropped, because a pair that begins at zero cuts off the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from edgekit.export.qdq_removal import Removal

__all__ = ["activated_tensors", "never_negative", "with_relus"]

MOVES = ("Reshape", "Transpose", "Slice", "Concat", "MaxPool", "Resize", "Squeeze", "Unsqueeze", "Flatten", "Split")
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
SUMS = ("Add", "Mul")
POOLS = ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum")
NOT_NEGATIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Exp", "Abs", "Sqrt")


def never_negative(removal: Removal, name: str) -> bool:
    """Return whether a tensor holds no number below zero: then its pair cuts nothing off there.

    Args:
        removal: The graph in work.
        name: Of a float tensor.
    """
    todo, visited = [name], set(removal.relus)
    while todo:
        name = todo.pop()
        if name in visited:
            continue
        visited.add(name)
        constant = removal.constants.get(name, removal.index.constants.get(name))
        node = removal.index.producers.get(name)
        if constant is not None or node is None:  # a number, or the image
            if constant is not None and not _is_positive(constant):
                return False
        elif node.op_type in MOVES:
            todo += [removal.source(i) for i in node.input if i and i not in removal.index.constants]
        elif node.op_type in SUMS + POOLS:
            inputs = node.input[:1] if node.op_type in POOLS else node.input
            todo += [removal.source(i) for i in inputs if i]
        elif node.op_type == "Clip":
            low = removal.index.constants.get(node.input[1]) if len(node.input) > 1 else None
            if low is None or not _is_positive(low):
                return False
        elif node.op_type not in NOT_NEGATIVE:
            return False
    return True


def _is_positive(constant: npt.NDArray[Any]) -> bool:
    return constant.dtype.kind in "iuf" and bool(constant.size) and bool(constant.min() >= 0)


def activated_tensors(removal: Removal, nodes: list[onnx.NodeProto], ends: set[str]) -> set[str]:
    """Return the tensors that a dropped Relu can have made: further layers read them, or a layer's are outputs.

    What a decoder makes of a head may never be negative on calibration images, either; there was no Relu.

    Args:
        removal: The graph in work.
        nodes: Its float nodes, reading float tensors.
        ends: The float tensors that are outputs.
    """
    producers = {name: node for node in nodes for name in node.output}
    makers = {name for node in nodes if _has_weights(removal, node) for name in node.output}
    todo = [name for node in nodes if _has_weights(removal, node) for name in node.input[:1]]
    activated = _behind(ends, producers, MOVES) & makers
    while todo:
        name = todo.pop()
        if name in activated or name not in producers:
            continue
        activated.add(name)
        if producers[name].op_type != "Softmax":  # its logits are no activations
            todo.extend(producers[name].input)
    return activated


def _behind(ends: set[str], producers: Mapping[str, onnx.NodeProto], moves: Collection[str]) -> set[str]:
    """The tensors that outputs are copies of, and the outputs themselves."""
    reached, todo = set(ends), list(ends)
    while todo:
        node = producers.get(todo.pop())
        if node is not None and node.op_type in moves:
            todo.extend(set(node.input) - reached)
            reached.update(node.input)
    return reached


def _has_weights(removal: Removal, node: onnx.NodeProto) -> bool:
    """Whether a node multiplies by learned numbers: a convolution or product, but not a decoder's expectation."""
    if node.op_type not in WEIGHTED or len(node.input) < 2:
        return False
    weight = removal.constants.get(node.input[1], removal.index.constants.get(node.input[1]))
    if weight is None:
        return False
    return not (node.op_type == "Conv" and weight.size and np.array_equal(weight.ravel(), np.arange(weight.size)))


def with_relus(removal: Removal, nodes: list[onnx.NodeProto], activated: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes with a Relu, which takes the tensor's name, where a pair cut it off at zero.

    Args:
        removal: The graph in work.
        nodes: Its float nodes.
        activated: The tensors that may have one.
    """
    result = []
    for node in nodes:
        result.append(node)
        for position, name in enumerate(node.output):
            if name in removal.relus and name in activated:
                node.output[position] = f"{name}_unbounded"
                result.append(helper.make_node("Relu", [node.output[position]], [name], name=removal.relus[name]))
    return result

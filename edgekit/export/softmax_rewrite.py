"""Softmax of attention, written as max, subtract, exp, sum, divide over the channel axis.

A Softmax node falls back to the board's CPU; these five run on the BPU when they work along the channels, which is
how the vendor's samples write it. The values are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

from edgekit.graph.onnx_graph import attributes

CHANNEL = 1  # NCHW
# Per rank, the permutation that brings the last axis to the channels; its inverse brings it back.
TO_CHANNELS = {3: (0, 2, 1), 4: (0, 3, 1, 2)}
BACK = {3: (0, 2, 1), 4: (0, 2, 3, 1)}


def rewrite_softmax(model: onnx.ModelProto, ranks: dict[str, int]) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A copy with every Softmax over the last axis of rank 3 or 4 rewritten, and the names of those rewritten.

    `ranks`: the rank of each Softmax node's input, by tensor name. Other Softmax nodes stay.
    """
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    del rewritten.graph.node[:]
    done = []
    for node in model.graph.node:
        rank = ranks.get(node.input[0], 0) if node.op_type == "Softmax" else 0
        if rank in TO_CHANNELS and attributes(node).get("axis", -1) in (-1, rank - 1):
            rewritten.graph.node.extend(_five_steps(node, TO_CHANNELS[rank], BACK[rank]))
            done.append(node.name or node.output[0])
        else:
            rewritten.graph.node.append(node)
    return rewritten, tuple(done)


def name_last_axis(model: onnx.ModelProto, ranks: dict[str, int]) -> onnx.ModelProto:
    """A copy in which every Softmax over the last axis says -1, which all opsets read alike."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for node in named.graph.node:
        if node.op_type == "Softmax" and attributes(node).get("axis", -1) == ranks.get(node.input[0], 0) - 1:
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("axis", -1))
    return named


def _five_steps(node: onnx.NodeProto, forth: Sequence[int], back: Sequence[int]) -> list[onnx.NodeProto]:
    x, y = node.input[0], node.output[0]
    stem = node.name or y

    def step(op: str, inputs: list[str], output: str, **values: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], f"{stem}/{output.rsplit('_', 1)[-1]}", **values)

    return [
        step("Transpose", [x], f"{y}_channels", perm=forth),
        step("ReduceMax", [f"{y}_channels"], f"{y}_max", axes=[CHANNEL], keepdims=1),
        step("Sub", [f"{y}_channels", f"{y}_max"], f"{y}_shifted"),
        step("Exp", [f"{y}_shifted"], f"{y}_exp"),
        step("ReduceSum", [f"{y}_exp"], f"{y}_sum", axes=[CHANNEL], keepdims=1),
        step("Div", [f"{y}_exp", f"{y}_sum"], f"{y}_shares"),
        helper.make_node("Transpose", [f"{y}_shares"], [y], f"{stem}/back", perm=back),
    ]

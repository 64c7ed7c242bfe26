"""Softmax of attention, written as max, subtract, exp, sum and products over the channel axis.

A Softmax node falls back to the board's CPU; these run on the BPU when they work along the channels, which is how the
vendor's samples write it. The values are the same up to rounding.

In front of a product with values the division is split: a query that looks at one place has shares near 1, one that
looks everywhere has shares of 1/400, which int8 rounds to nothing beside the other's. Divided by the root of the sum
alone they are of like size; the product is divided by the root once more. The sum is a convolution with ones there: in
8 bits it is a third off where a query looks at two places and others at hundreds, and of a convolution's result the BPU
can keep 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.graph.onnx_graph import attributes

CHANNEL = 1  # NCHW
# Per rank, the permutation that brings the last axis to the channels; its inverse brings it back.
TO_CHANNELS = {3: (0, 2, 1), 4: (0, 3, 1, 2)}
BACK = {3: (0, 2, 1), 4: (0, 2, 3, 1)}
SWAPPED = [0, 1, 3, 2]  # of rank 4: queries and keys change places
QUERIES_TO_CHANNELS = (0, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class AttentionProduct:
    """The product of a Softmax's shares with values, which nothing else reads.

    Attributes:
        node: The MatMul.
        values: The tensor that the shares weight.
        queries_last: Whether queries are the last axis of the result: (…, d, q), from values times shares transposed;
            else they are the one before it: (…, q, d).
    """

    node: onnx.NodeProto
    values: str
    queries_last: bool


def rewrite_softmax(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A copy with every Softmax over the last axis of rank 3 or 4 rewritten, and the names of those rewritten.

    `shapes`: the shape of each Softmax node's input, by tensor name. Other Softmax nodes stay.
    """
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    del rewritten.graph.node[:]
    done = []
    scaled: dict[str, tuple[str, bool]] = {}  # product -> the inverse root, and whether queries are its last axis
    for node in model.graph.node:
        shape = shapes.get(node.input[0], ()) if node.op_type == "Softmax" else ()
        rank = len(shape)
        if rank in TO_CHANNELS and attributes(node).get("axis", -1) in (-1, rank - 1):
            product = attention_product(model, node) if rank == len(SWAPPED) else None
            if product is not None and product.node.output[0] in scaled:  # the values are shares themselves
                product = None
            steps = _shared_steps(node, TO_CHANNELS[rank])
            if product is None:
                steps += _division(node, BACK[rank])
            else:
                ones = numpy_helper.from_array(np.ones((1, shape[-1], 1, 1), np.float32), f"{node.output[0]}_ones")
                rewritten.graph.initializer.append(ones)
                steps += _division_by_root(node, BACK[rank], ones.name)
                scaled[product.node.output[0]] = (f"{node.output[0]}_inverse_root", product.queries_last)
            rewritten.graph.node.extend(steps)
            done.append(node.name or node.output[0])
        elif node.output and node.output[0] in scaled:
            rewritten.graph.node.extend(_scaled_product(node, *scaled[node.output[0]]))
        else:
            rewritten.graph.node.append(node)
    return rewritten, tuple(done)


def attention_product(model: onnx.ModelProto, softmax: onnx.NodeProto) -> AttentionProduct | None:
    """The product that alone reads what a Softmax of rank 4 gives, straight or with its last axes swapped."""
    ends = {value.name for value in model.graph.output}
    shares, swapped = softmax.output[0], False
    while True:
        readers = [node for node in model.graph.node if shares in node.input]
        if shares in ends or len(readers) != 1:
            return None
        reader = readers[0]
        if reader.op_type == "Transpose" and not swapped and attributes(reader).get("perm") == SWAPPED:
            shares, swapped = reader.output[0], True
            continue
        operand = 1 if swapped else 0  # where the keys are summed over
        if reader.op_type != "MatMul" or reader.input[operand] != shares or reader.input[1 - operand] == shares:
            return None
        return AttentionProduct(reader, reader.input[1 - operand], swapped)


def name_last_axis(model: onnx.ModelProto, ranks: dict[str, int]) -> onnx.ModelProto:
    """A copy in which every Softmax over the last axis says -1, which all opsets read alike."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for node in named.graph.node:
        if node.op_type == "Softmax" and attributes(node).get("axis", -1) == ranks.get(node.input[0], 0) - 1:
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("axis", -1))
    return named


def _shared_steps(node: onnx.NodeProto, forth: Sequence[int]) -> list[onnx.NodeProto]:
    """exp(x - max) along the channels."""
    x, y = node.input[0], node.output[0]
    return [
        _step(node, "Transpose", [x], f"{y}_channels", perm=forth),
        _step(node, "ReduceMax", [f"{y}_channels"], f"{y}_max", axes=[CHANNEL], keepdims=1),
        _step(node, "Sub", [f"{y}_channels", f"{y}_max"], f"{y}_shifted"),
        _step(node, "Exp", [f"{y}_shifted"], f"{y}_exp"),
    ]


def _division(node: onnx.NodeProto, back: Sequence[int]) -> list[onnx.NodeProto]:
    y = node.output[0]
    return [
        _step(node, "ReduceSum", [f"{y}_exp"], f"{y}_sum", axes=[CHANNEL], keepdims=1),
        _step(node, "Div", [f"{y}_exp", f"{y}_sum"], f"{y}_shares"),
        helper.make_node("Transpose", [f"{y}_shares"], [y], f"{_stem(node)}/back", perm=back),
    ]


def _division_by_root(node: onnx.NodeProto, back: Sequence[int], ones: str) -> list[onnx.NodeProto]:
    """Products with one over the root of the sum; `ones` are the weights of the sum."""
    y = node.output[0]
    return [
        _step(node, "Conv", [f"{y}_exp", ones], f"{y}_sum", kernel_shape=[1, 1]),
        _step(node, "Sqrt", [f"{y}_sum"], f"{y}_root"),
        _step(node, "Reciprocal", [f"{y}_root"], f"{y}_inverse_root"),
        _step(node, "Mul", [f"{y}_exp", f"{y}_inverse_root"], f"{y}_shares"),
        helper.make_node("Transpose", [f"{y}_shares"], [y], f"{_stem(node)}/back", perm=back),
    ]


def _scaled_product(node: onnx.NodeProto, inverse_root: str, queries_last: bool) -> list[onnx.NodeProto]:
    """The product, divided by the root per query: between Transposes, along the channels as the board has them."""
    y = node.output[0]
    product = onnx.NodeProto()
    product.CopyFrom(node)
    product.output[0] = f"{y}_unscaled"
    steps = [product, _step(node, "Transpose", [f"{y}_unscaled"], f"{y}_channels", perm=TO_CHANNELS[4])]
    if queries_last:
        steps.append(_step(node, "Transpose", [inverse_root], f"{y}_queries", perm=QUERIES_TO_CHANNELS))
        inverse_root = f"{y}_queries"
    return [
        *steps,
        _step(node, "Mul", [f"{y}_channels", inverse_root], f"{y}_scaled"),
        helper.make_node("Transpose", [f"{y}_scaled"], [y], f"{_stem(node)}/back", perm=BACK[4]),
    ]


def _step(node: onnx.NodeProto, op: str, inputs: list[str], output: str, **values: Any) -> onnx.NodeProto:
    name = output.removeprefix(f"{node.output[0]}_")
    return helper.make_node(op, inputs, [output], f"{_stem(node)}/{name}", **values)


def _stem(node: onnx.NodeProto) -> str:
    return str(node.name or node.output[0])

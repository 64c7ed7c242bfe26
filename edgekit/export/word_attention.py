"""YOLO-World's attention over words, written for images: grouped convolution, maximum over channels, gate.

Per head the features of a cell are multiplied with the constant embeddings of all words; the largest product gates that
head's channels. Exports say it with matrices of (heads, cells, words) and tensors of five axes, which no BPU computes.
The same in four axes: a convolution in groups gives the products as channels, each head's maximum over its channels is
one map, and a convolution of ones repeats the gates over the channels that they multiply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.graph.onnx_graph import (
    GraphIndex,
    declared_shape,
    drop_unread,
    extract,
    graph_inputs,
    index_graph,
    open_session,
)

TOLERANCE = 1e-4  # of the largest value: float32 sums in another order
MAX_STEPS = 8  # from a product back to its map
AXES_AS_INPUT = 18  # the opset since which ReduceMax takes its axes as an input
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Attention:
    """`gates` (1, heads, H, W) are the maxima over words of the products of `x` (1, heads * C, H, W)."""

    x: str
    gates: str
    embeddings: str  # constant (1, heads, C, words)


def rewrite_word_attention(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Write every attention over constant words in four axes.

    Args:
        model: A graph of fixed size whose constants are folded.

    Returns:
        The graph, a copy where anything changed, and the names of the products that are convolutions now.
    """
    index = index_graph(model)
    maxima = [n for n in model.graph.node if n.op_type == "ReduceMax" and _embeddings(index, n)]
    if not maxima:
        return model, ()
    shapes = _shapes(model)
    attentions = [attention for node in maxima if (attention := _read(index, shapes, node)) is not None]
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    for attention in attentions:
        _replace(rewritten, attention.gates, _products(rewritten, index, shapes, attention))
    _merge_gates(rewritten, shapes)
    drop_unread(rewritten)
    return (rewritten, tuple(attention.gates for attention in attentions)) if attentions else (model, ())


def _embeddings(index: GraphIndex, node: onnx.NodeProto) -> str:
    """The constant (1, heads, C, words) of the product whose maximum `node` takes; "" for other maxima."""
    product = index.producers.get(node.input[0])
    if product is None or product.op_type != "MatMul":
        return ""
    value = index.constants.get(product.input[1])
    return product.input[1] if value is not None and value.ndim == 4 and len(value) == 1 else ""


def _read(index: GraphIndex, shapes: Shapes, node: onnx.NodeProto) -> Attention | None:
    """The attention behind a maximum over words, if the numbers are those of its convolution."""
    readers = index.consumers.get(node.output[0], ())
    gates = readers[0].output[0] if len(readers) == 1 and readers[0].op_type == "Reshape" else node.output[0]
    embeddings = _embeddings(index, node)
    heads, channels = index.constants[embeddings].shape[1:3]
    shape = shapes.get(gates, ())
    if len(shape) != 4 or shape[:2] != (1, heads):
        return None
    product = index.producers[node.input[0]]
    x = _map_before(index, shapes, product.input[0], (1, heads * channels, *shape[2:]))
    if not x:
        return None
    piece = extract(index.model, {x: shapes[x]}, [gates])
    if [value.name for value in graph_inputs(piece)] != [x]:
        return None
    noise = np.random.default_rng(31).normal(0, 1, shapes[x]).astype(np.float32)
    expected = open_session(piece)({x: noise})[gates]
    weight = index.constants[embeddings][0]
    products = np.einsum("hckl,hcw->hwkl", noise.reshape(heads, channels, *shape[2:]), weight)
    close = np.abs(products.max(axis=1)[None] - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max()))
    return Attention(x, gates, embeddings) if close else None


def _map_before(index: GraphIndex, shapes: Shapes, name: str, shape: tuple[int, ...]) -> str:
    """The tensor of `shape` from which `name` was made by moving numbers alone; "" where there is none."""
    for _ in range(MAX_STEPS):
        if shapes.get(name) == shape:
            return name
        node = index.producers.get(name)
        if node is None or node.op_type not in ("Reshape", "Transpose", "Unsqueeze", "Squeeze"):
            return ""
        name = node.input[0]
    return ""


def _products(model: onnx.ModelProto, index: GraphIndex, shapes: Shapes, attention: Attention) -> list[onnx.NodeProto]:
    """The convolution in groups and each head's maximum."""
    embeddings = index.constants[attention.embeddings][0].astype(np.float32)  # heads, C, words
    heads, channels, words = embeddings.shape
    name = attention.gates
    weight = _stored(model, f"{name}_words", embeddings.transpose(0, 2, 1).reshape(heads * words, channels, 1, 1))
    products = f"{name}_products"
    conv = helper.make_node(
        "Conv", [attention.x, weight], [products], f"{name}/words", group=heads, kernel_shape=[1, 1]
    )
    nodes, maxima = [conv], []
    version = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    axis = _stored(model, f"{name}_axis", np.asarray([1], np.int64))
    for head in range(heads):
        ends = [
            _stored(model, f"{name}_{key}_{head}", np.asarray([words * (head + shift)], np.int64))
            for key, shift in (("start", 0), ("end", 1))
        ]
        part, peak = f"{name}_head_{head}", f"{name}_peak_{head}"
        nodes.append(helper.make_node("Slice", [products, *ends, axis], [part], f"{name}/head_{head}"))
        maximum = helper.make_node("ReduceMax", [part], [peak], f"{name}/peak_{head}", keepdims=1)
        if version >= AXES_AS_INPUT:
            maximum.input.append(axis)
        else:
            maximum.attribute.append(helper.make_attribute("axes", [1]))
        nodes.append(maximum)
        maxima.append(peak)
    nodes.append(helper.make_node("Concat", maxima, [name], f"{name}/gates", axis=1))
    return nodes


def _merge_gates(model: onnx.ModelProto, shapes: Shapes) -> None:
    """Gates that multiply (1, heads, C, H, W) multiply (1, heads * C, H, W), each repeated over its channels."""
    index = index_graph(model)
    for node in list(model.graph.node):
        readers = index.consumers.get(node.output[0], ()) if node.op_type == "Mul" else ()
        if len(readers) != 1 or readers[0].op_type != "Reshape" or len(shapes.get(node.output[0], ())) != 5:
            continue
        result = readers[0].output[0]
        _, heads, channels, height, width = shapes[node.output[0]]
        map_shape, gate_shape = (1, heads * channels, height, width), (1, heads, height, width)
        values = [_map_before(index, shapes, name, map_shape) for name in node.input]
        gates = [_map_before(index, shapes, name, gate_shape) for name in node.input]
        pairs = [(v, g) for v, g in zip(values, reversed(gates), strict=True) if v and g]
        if shapes.get(result) != map_shape or len(pairs) != 1:
            continue
        value, gate = pairs[0]
        ones = _stored(model, f"{result}_ones", np.ones((heads * channels, 1, 1, 1), np.float32))
        repeated = f"{result}_gates"
        repeat = helper.make_node("Conv", [gate, ones], [repeated], f"{result}/gates", group=heads, kernel_shape=[1, 1])
        _replace(model, result, [repeat, helper.make_node("Mul", [value, repeated], [result], f"{result}/gated")])


def _replace(model: onnx.ModelProto, tensor: str, nodes: list[onnx.NodeProto]) -> None:
    """Put `nodes` where `tensor` was made."""
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    position = next(i for i, node in enumerate(kept) if tensor in node.output)
    kept[position : position + 1] = nodes
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _stored(model: onnx.ModelProto, name: str, value: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _shapes(model: onnx.ModelProto) -> Shapes:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {v.name: declared_shape(v) for v in (*inferred.value_info, *inferred.input, *inferred.output)}

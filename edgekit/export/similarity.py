"""Open-vocabulary heads whose words are constants: their similarity with embeddings becomes a convolution.

YOLOE and YOLO-World score a cell by the product of its embedding with those of the classes. Once the classes are
chosen, that is a 1x1 convolution, whatever reshapes and transposes an exporter wrote around it. Its weights are found
by experiment: unit vectors in, columns out; noise must give the same both ways, or the graph stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.export.head_location import last_learned
from edgekit.graph.onnx_graph import (
    PRODUCTS,
    GraphIndex,
    attributes,
    declared_shape,
    drop_unread,
    extract,
    graph_inputs,
    index_graph,
    open_session,
)

FOLLOWING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Mul", "Div", "Add", "Sub", "Identity")
MAX_CHANNELS = 4096  # of an embedding, and of classes times 8
TOLERANCE = 1e-4  # of the largest value: float32 sums in another order
Float32Array = npt.NDArray[np.float32]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Similarity:
    """A product with constants that works cell by cell: `y = weight x + bias`.

    `x` (1, C, H, W) and `y` (1, K, H, W) or (1, K, H * W), as `is_map` says, are tensors; weight is (K, C), bias (K,).
    """

    x: str
    y: str
    is_map: bool
    weight: Float32Array
    bias: Float32Array


def fold_similarities(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Write the last products of a graph as convolutions where they are ones.

    Args:
        model: A graph of fixed size whose constants are folded.

    Returns:
        The graph, a copy where anything changed, and the names of the tensors that convolutions now make.
    """
    index = index_graph(model)
    products = _last_products(index)
    if not products:
        return model, ()
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: declared_shape(v) for v in (*inferred.value_info, *inferred.output, *inferred.input)}
    similarities = [s for s in (_read_similarity(index, shapes, node) for node in products) if s is not None]
    if not similarities:
        return model, ()
    return _with_convolutions(index, similarities), tuple(similarity.y for similarity in similarities)


def _last_products(index: GraphIndex) -> list[onnx.NodeProto]:
    """The products that are met before any convolution on the way back from the outputs; one operand is constant."""
    products = (node for node in last_learned(index) if node.op_type in PRODUCTS)
    return [node for node in products if sum(operand in index.constants for operand in node.input[:2]) == 1]


def _read_similarity(index: GraphIndex, shapes: Shapes, node: onnx.NodeProto) -> Similarity | None:
    data = next(name for name in node.input[:2] if name not in index.constants)
    for y in _ends(index, shapes, node):
        for x in _begins(index, shapes, data, shapes[y]):
            if similarity := _probed(index, x, y, shapes[x], shapes[y]):
                return similarity
    return None


def _ends(index: GraphIndex, shapes: Shapes, node: onnx.NodeProto) -> list[str]:
    """The tensors behind a product that are still linear in it, the furthest first, maps before rows."""
    names, name = [], node.output[0]
    while True:
        names.append(name)
        readers = index.consumers.get(name, ())
        if len(readers) != 1 or readers[0].op_type not in FOLLOWING:
            break
        if any(operand != name and operand not in index.constants for operand in readers[0].input if operand):
            break
        name = readers[0].output[0]
    ranks = {candidate: len(shapes.get(candidate, ())) for candidate in names}
    sound = [c for c in names if ranks[c] in (3, 4) and shapes[c][0] == 1 and min(shapes[c]) > 0]
    sound = [c for c in sound if shapes[c][1] <= MAX_CHANNELS * 8]
    return sorted(sound, key=lambda c: (-ranks[c], -names.index(c)))


def _begins(index: GraphIndex, shapes: Shapes, data: str, end: tuple[int, ...]) -> list[str]:
    """Maps of as many cells in front of a product, down to the first convolutions, the furthest first."""
    cells = int(np.prod(end[2:]))
    names, todo = [], [data]
    visited: set[str] = set()
    while todo and len(visited) < 64:
        name = todo.pop(0)
        node = index.producers.get(name)
        if name in visited or node is None:
            continue
        visited.add(name)
        shape = shapes.get(name, ())
        is_map = len(shape) == 4 and shape[0] == 1 and min(shape) > 0 and shape[1] <= MAX_CHANNELS
        if is_map and shape[2] * shape[3] == cells:
            names.append(name)
        if node.op_type != "Conv":
            todo.extend(node.input)
    return names[::-1]


def _probed(index: GraphIndex, x: str, y: str, shape: tuple[int, ...], end: tuple[int, ...]) -> Similarity | None:
    """The similarity from `x` to `y`, if `y` depends on `x` alone, linearly and cell by cell."""
    piece = extract(index.model, {x: shape}, [y])
    if [value.name for value in graph_inputs(piece)] != [x]:
        return None
    run = open_session(piece)
    _, channels, height, width = shape
    cells, classes = height * width, end[1]

    def rows(values: Float32Array) -> Float32Array:
        """(C, cells) to (K, cells)."""
        return np.asarray(run({x: values.reshape(shape)})[y], np.float32).reshape(classes, cells)

    bias = rows(np.zeros((channels, cells), np.float32))[:, 0]
    weight = np.zeros((classes, channels), np.float32)
    for first in range(0, channels, cells):
        units = np.eye(channels, cells, -first, np.float32)
        count = min(cells, channels - first)
        weight[:, first : first + count] = rows(units)[:, :count] - bias[:, None]
    noise = np.random.default_rng(29).normal(0, 2, (channels, cells)).astype(np.float32)
    expected = rows(noise)
    difference = np.abs(weight @ noise + bias[:, None] - expected).max()
    scale = max(1.0, float(np.abs(expected).max()))
    return Similarity(x, y, len(end) == 4, weight, bias) if difference <= TOLERANCE * scale else None


def _with_convolutions(index: GraphIndex, similarities: list[Similarity]) -> onnx.ModelProto:
    """A copy in which convolutions make the similarities; what made them before is gone."""
    result = onnx.ModelProto()
    result.CopyFrom(index.model)
    del result.graph.node[:], result.graph.value_info[:]
    by_tensor = {similarity.y: similarity for similarity in similarities}
    for node in index.model.graph.node:
        similarity = next((by_tensor[name] for name in node.output if name in by_tensor), None)
        if similarity is None:
            result.graph.node.append(node)
        else:
            result.graph.node.extend(_convolution(result, index, similarity))
    drop_unread(result)
    return result


def _convolution(model: onnx.ModelProto, index: GraphIndex, similarity: Similarity) -> list[onnx.NodeProto]:
    """The 1x1 convolution; one in front that nothing else reads is taken into it."""
    x, weight, bias = similarity.x, similarity.weight.astype(np.float64), similarity.bias.astype(np.float64)
    if (before := _pointwise(index, x)) is not None:
        inner = index.constants[before.input[1]].astype(np.float64).reshape(weight.shape[1], -1)
        if len(before.input) > 2 and before.input[2]:
            bias = bias + weight @ index.constants[before.input[2]].astype(np.float64)
        x, weight = before.input[0], weight @ inner
    name = similarity.y
    stored = {f"{name}_weight": weight[:, :, None, None], f"{name}_bias": bias}
    model.graph.initializer.extend(
        numpy_helper.from_array(values.astype(np.float32), key) for key, values in stored.items()
    )
    output = name if similarity.is_map else f"{name}_map"
    nodes = [helper.make_node("Conv", [x, *stored], [output], f"{name}/similarity", kernel_shape=[1, 1])]
    if not similarity.is_map:
        rows = numpy_helper.from_array(np.asarray([1, len(bias), -1], np.int64), f"{name}_shape")
        model.graph.initializer.append(rows)
        nodes.append(helper.make_node("Reshape", [output, f"{name}_shape"], [name], f"{name}/rows"))
    return nodes


def _pointwise(index: GraphIndex, tensor: str) -> onnx.NodeProto | None:
    """The 1x1 convolution that makes `tensor`, where nothing else reads it."""
    node = index.producers.get(tensor)
    if node is None or node.op_type != "Conv" or len(index.consumers.get(tensor, ())) != 1:
        return None
    values = attributes(node)
    weight = index.constants.get(node.input[1])
    plain = weight is not None and weight.shape[2:] == (1, 1) and values.get("group", 1) == 1
    plain = plain and set(values.get("strides", [1])) == {1} and not any(values.get("pads", []))
    return node if plain and tensor not in index.output_names else None

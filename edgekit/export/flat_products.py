"""Matrix products of flattened maps, written as convolutions: the classifier's end of a CNN.

`Flatten` behind pooling, then `Gemm`, `Relu`, `Gemm`: on the BPU these are convolutions over maps of one pixel (of
the whole map where nothing pooled it). What follows them is computed on the maps, too, until something reads the
flat tensor that has no form on maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import GraphIndex, attributes, declared_shape, extract, graph_inputs, open_session

FLAT_OPS = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")  # they change a tensor's shape alone
UNARY_OPS = ("Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Clip", "LeakyRelu", "Tanh", "Elu", "Dropout", "Identity")
TOLERANCE = 1e-4  # of the largest number: float32 sums in another order
SPATIAL = ([2, 3], [-2, -1], [-1, -2], [3, 2])
Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Maps:
    """The graph with a map for every flat tensor that has one.

    Attributes:
        model: A copy of the graph, with the nodes that make the maps; the nodes that they stand for are left in it.
        of: Flat tensor (1, n) -> the map (1, c, h, w) with the same numbers in the same order.
        shapes: Of every tensor whose shape is known.
    """

    model: onnx.ModelProto
    index: GraphIndex
    shapes: dict[str, tuple[int, ...]]
    of: dict[str, str] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def unused(self, name: str) -> str:
        """Return a tensor name that the graph has not yet."""
        while name in self.shapes or name in self.index.producers:
            name += "_"
        return name

    def constant(self, name: str) -> Floats | None:
        """Return a constant as float32; None if the tensor is computed or missing."""
        value = self.index.constants.get(name)
        return None if value is None else np.asarray(value, np.float32)

    def add(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> str:
        """Append a node that makes a map."""
        self.nodes.append(node)
        self.shapes[node.output[0]] = shape
        return str(node.output[0])

    def initializer(self, name: str, value: Floats) -> str:
        """Add a constant; return its name."""
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def flat_maps(index: GraphIndex) -> Maps:
    """Find the maps of all flat tensors.

    Args:
        index: A graph of fixed size whose shapes are constants.

    Returns:
        The graph with the maps; `of` is empty where it flattens nothing.
    """
    model = onnx.ModelProto()
    model.CopyFrom(index.model)
    maps = Maps(model, index, _shapes(index.model))
    del model.graph.node[:]
    for value in graph_inputs(index.model):
        _map_of_vector(maps, value)
    for node in index.model.graph.node:
        made = READERS.get(node.op_type, _none)(maps, node)
        if made:
            maps.of[node.output[0]] = made
        whole = made and _is_map(maps, node, made)
        maps.nodes.append(_identity(node, made) if whole else _reading_map(maps, node) if not made else node)
    model.graph.node.extend(maps.nodes)
    return maps


def _map_of_vector(maps: Maps, value: onnx.ValueInfoProto) -> None:
    """An input (1, n) as a map of one pixel; nothing for inputs of other shapes."""
    shape = declared_shape(value)
    if len(shape) != 2 or shape[0] != 1 or shape[1] < 1:
        return
    stem = maps.unused(f"{value.name}_map")
    sides = numpy_helper.from_array(np.array([1, shape[1], 1, 1], np.int64), f"{stem}_shape")
    maps.model.graph.initializer.append(sides)
    made = helper.make_node("Reshape", [value.name, sides.name], [stem], f"{stem}/Reshape")
    maps.of[value.name] = maps.add(made, (1, shape[1], 1, 1))


def _reading_map(maps: Maps, node: onnx.NodeProto) -> onnx.NodeProto:
    """A Reshape of a flat tensor to another map (1, c, h, w) reads its map: the numbers stand in the same order."""
    base = maps.of.get(node.input[0]) if node.op_type == "Reshape" else None
    if base is None or len(maps.shapes.get(node.output[0], ())) != 4 or maps.shapes[base][2:] != (1, 1):
        return node
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0] = base
    return copy


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes by inference; an input of fixed size decides them all."""
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # it raises many kinds; what is not known is not rewritten
        graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {value.name: declared_shape(value) for value in values}
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def _is_map(maps: Maps, node: onnx.NodeProto, made: str) -> bool:
    """Whether a node gives the map's own shape (a gate of channels): then its result is the map."""
    shape = maps.shapes.get(node.output[0], ())
    return len(shape) == 4 and shape == maps.shapes[made] and node.op_type in (*FLAT_OPS, "ReduceMean")


def _identity(node: onnx.NodeProto, made: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [made], node.output[:1], node.name)


def _none(maps: Maps, node: onnx.NodeProto) -> str:
    return ""


def _flat(maps: Maps, node: onnx.NodeProto) -> str:
    """Flatten, Reshape and the like: the numbers stay in their order."""
    source = node.input[0]
    base = maps.of.get(source, source)
    shape, before = maps.shapes.get(node.output[0], ()), maps.shapes.get(base, ())
    if len(before) != 4 or before[0] != 1 or 0 in (*before, *shape) or not shape or shape[0] != 1:
        return ""
    return base if len(shape) == 2 or shape == before else ""


def _mean(maps: Maps, node: onnx.NodeProto) -> str:
    """The mean over height and width is the global average."""
    values, shape = attributes(node), maps.shapes.get(node.input[0], ())
    axes = values.get("axes", [])
    if len(node.input) > 1:  # an input since opset 18
        axes = maps.index.constants.get(node.input[1], np.zeros(0)).tolist()
    if len(shape) != 4 or shape[0] != 1 or list(axes) not in SPATIAL:
        return ""
    stem = maps.unused(f"{node.output[0]}_map")
    pooled = helper.make_node("GlobalAveragePool", [node.input[0]], [stem], stem)
    return maps.add(pooled, (1, shape[1], 1, 1))


def _gemm(maps: Maps, node: onnx.NodeProto) -> str:
    values, weight = attributes(node), maps.constant(node.input[1])
    bias = maps.constant(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
    if weight is None or bias is None or weight.ndim != 2 or values.get("transA", 0):
        return ""
    weight = (weight if values.get("transB", 0) else weight.T) * np.float32(values.get("alpha", 1.0))
    return _convolution(maps, node.input[0], weight, bias * np.float32(values.get("beta", 1.0)), node)


def _matmul(maps: Maps, node: onnx.NodeProto) -> str:
    weight = maps.constant(node.input[1])
    if weight is None or weight.ndim != 2:
        return ""
    return _convolution(maps, node.input[0], weight.T, np.zeros(1, np.float32), node)


def _convolution(maps: Maps, x: str, weight: Floats, bias: Floats, node: onnx.NodeProto) -> str:
    """The product `weight @ x + bias` of a flat tensor, as a convolution over its whole map."""
    base = maps.of.get(x)
    count = len(weight)
    if base is None or bias.size not in (1, count):
        return ""
    _, channels, height, width = maps.shapes[base]
    if weight.shape[1] != channels * height * width:
        return ""
    stem = maps.unused(f"{node.output[0]}_map")
    inputs = [
        base,
        maps.initializer(f"{stem}_weight", weight.reshape(count, channels, height, width).astype(np.float32)),
        maps.initializer(f"{stem}_bias", np.broadcast_to(bias.reshape(-1), count).astype(np.float32)),
    ]
    made = helper.make_node("Conv", inputs, [stem], f"{stem}/Conv", kernel_shape=[height, width])
    return maps.add(made, (1, count, 1, 1))


def _unary(maps: Maps, node: onnx.NodeProto) -> str:
    base = maps.of.get(node.input[0])
    if base is None:
        return ""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    stem = maps.unused(f"{node.output[0]}_map")
    copy.input[0], copy.output[0], copy.name = base, stem, stem
    del copy.output[1:]
    return maps.add(copy, maps.shapes[base])


def _binary(maps: Maps, node: onnx.NodeProto) -> str:
    """Two flat tensors of one map shape, or one and a constant per channel or for all."""
    known = [maps.of.get(name) for name in node.input]
    bases = [base for base in known if base is not None]
    if not bases or len({maps.shapes[base] for base in bases}) != 1:
        return ""
    shape, stem = maps.shapes[bases[0]], maps.unused(f"{node.output[0]}_map")
    inputs = []
    for position, (name, base) in enumerate(zip(node.input, known, strict=True)):
        value = maps.constant(name)
        if base is None and (value is None or value.size not in (1, shape[1]) or shape[2:] != (1, 1)):
            return ""
        if base is None and value is not None:
            sides = (1, -1, 1, 1) if value.size > 1 else ()
            base = maps.initializer(f"{stem}_{position}", value.reshape(sides))
        inputs.append(str(base))
    return maps.add(helper.make_node(node.op_type, inputs, [stem], stem), shape)


def _concat(maps: Maps, node: onnx.NodeProto) -> str:
    """Flat tensors one behind the other: their maps of one pixel, channel behind channel."""
    bases = [maps.of.get(name, "") for name in node.input]
    shapes = [maps.shapes.get(base, ()) for base in bases]
    flat = len(maps.shapes.get(node.output[0], ())) == 2 and attributes(node).get("axis") in (1, -1)
    if not flat or any(len(shape) != 4 or shape[2:] != (1, 1) for shape in shapes):
        return ""
    stem = maps.unused(f"{node.output[0]}_map")
    made = helper.make_node("Concat", bases, [stem], stem, axis=1)
    return maps.add(made, (1, sum(shape[1] for shape in shapes), 1, 1))


READERS: Mapping[str, Callable[[Maps, onnx.NodeProto], str]] = {
    **dict.fromkeys(FLAT_OPS, _flat),
    **dict.fromkeys(UNARY_OPS, _unary),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _binary),
    "ReduceMean": _mean,
    "Concat": _concat,
    "Gemm": _gemm,
    "MatMul": _matmul,
}


def input_shape(index: GraphIndex) -> tuple[int, ...]:
    """The shape of the graph's first input."""
    return declared_shape(graph_inputs(index.model)[0])


def prove_maps(index: GraphIndex, model: onnx.ModelProto, tensors: Mapping[str, str]) -> None:
    """Check that maps hold the numbers of the tensors that they stand for, on an image of noise.

    Args:
        index: The graph as it was.
        model: The graph with maps.
        tensors: Tensor of the one -> tensor of the other.

    Raises:
        ModelError: The numbers differ by more than rounding.
    """
    shapes = {value.name: declared_shape(value) for value in graph_inputs(index.model)}
    rng = np.random.default_rng(0)
    feeds = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    expected = open_session(extract(index.model, {}, dict.fromkeys(tensors)))(feeds)
    actual = open_session(extract(model, {}, dict.fromkeys(tensors.values())))(feeds)
    for before, after in tensors.items():
        a, b = expected[before].ravel(), actual[after].ravel()
        difference = float(np.abs(a - b).max(initial=0)) if a.shape == b.shape else np.inf
        if not difference <= TOLERANCE * max(1.0, float(np.abs(a).max(initial=0))):
            raise ModelError(
                f"tensor {before!r} differs by {difference:.3g} once its products are convolutions, "
                f"expected at most {TOLERANCE:g} of its largest number",
                hint="export the model again; if it stays, cut in front of the products: edgekit cut --outputs TENSOR",
            )

"""A quantized graph (`*_quantized_model.onnx`), checked whole when it is loaded: nodes, constants, tensor types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.budget import Budget, Cost
from edgekit.sim.graph_proto import ELEMENT_DTYPES, constant_values, declared_shape, parse_model
from edgekit.sim.node import MAX_RANK, Node, node_name, read_node
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.float_op import FloatOp
from edgekit.sim.ops.reader import HINT
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

MAX_ELEMENTS = 1 << 30
MAX_NAME = 1024
INPUT_DTYPES = ("int8", "int16", "float32")  # pixels around 0, integers, and what an HzQuantize takes


@dataclass(frozen=True, slots=True)
class GraphOutput:
    """An output by its public name: the tensor behind it and, for integers, their scale.

    `scale` is (1,) or (C,) float32 along `axis` where a left-out Dequantize tells the scale, else empty.
    """

    name: str
    tensor: str
    type: TensorType
    scale: np.ndarray
    axis: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything in here was checked: shapes, dtypes, attribute ranges and the order of the nodes."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, GraphOutput]
    types: Mapping[str, TensorType]  # of every tensor that is no constant
    producers: Mapping[str, Node]
    consumers: Mapping[str, tuple[Node, ...]]

    @property
    def batch(self) -> int:
        """The first axis of the first input."""
        return next(iter(self.inputs.values())).shape[0]

    @property
    def inexact_nodes(self) -> tuple[str, ...]:
        """Names of float nodes whose last bit depends on the machine: the one tolerance there is."""
        floats = ((node.name, node.operator) for node in self.nodes)
        return tuple(name for name, operator in floats if isinstance(operator, FloatOp) and not operator.exact)


def load_graph(source: Path | str | bytes) -> Graph:
    """Read a quantized graph.

    Args:
        source: Path of a `*_quantized_model.onnx`, or its bytes.

    Returns:
        The graph, checked whole: shapes, dtypes, attribute ranges, the order of the nodes.

    Raises:
        ModelError: It could not be executed exactly as meant: unknown operators, attributes or values, shifts out of
            range, weights of another size; the message names the node.
    """
    model, location = parse_model(source)
    try:
        return _load(model.graph, location)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        problem = shorten(f"{type(error).__name__}: {error}", 200)[1:-1]
        raise ModelError(f"{location} cannot be read as a quantized graph ({problem})", hint=HINT) from error
    except MemoryError as error:
        raise ModelError(f"{location} needs more memory than there is", hint="close other programs") from error


def _load(proto: Any, location: str) -> Graph:
    budget = Budget(location)
    budget.admit(len(proto.node))
    _require_names([node_name(node, index) for index, node in enumerate(proto.node)], f"nodes of {location}")
    _require_names([value.name for value in proto.input], f"inputs of {location}")
    _require_names([value.name for value in proto.output], f"outputs of {location}")
    constants = constant_values(proto, location)
    read = {name for node in proto.node for name in node.input} | {value.name for value in proto.output}
    inputs: dict[str, TensorType] = {}
    for value in proto.input:
        if value.name not in constants and value.name in read:  # int16 builds leave inputs behind that nothing reads
            inputs[value.name] = _input_type(value, location)
            budget.spend(value.name, [inputs[value.name]], Cost(0, 0))
    types = {**inputs, **{name: TensorType(value.shape, value.dtype) for name, value in constants.items()}}
    nodes = []
    for index, node_proto in enumerate(proto.node):
        node = read_node(node_proto, index, types, constants, budget)
        nodes.append(node)
        types.update(zip(node.outputs, node.operator.outputs, strict=True))
    for name in constants:
        del types[name]
    outputs = {value.name: _output(value, types, location) for value in proto.output}
    if not outputs or not inputs:
        raise ModelError(f"{location} has {len(inputs)} inputs and {len(outputs)} outputs, expected some", hint=HINT)
    return _graph(tuple(nodes), constants, inputs, outputs, types)


def _require_names(names: Sequence[str], what: str) -> None:
    """Raise ModelError where a name repeats or is no text: plans, reports and sidecars find things by their names."""
    # onnx gives bytes where a name is not UTF-8
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise ModelError(
            f"{Counter(names)[repeated]} {what} have the name {shorten(repeated)}, expected every name once", hint=HINT
        )
    unfit = next(
        (
            name
            for name in names
            if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME
        ),
        None,
    )
    if unfit is not None:
        raise ModelError(
            f"one of the {what} has the name {shorten(unfit)}, expected 1..{MAX_NAME} printable characters", hint=HINT
        )


def strip_dequantize(graph: Graph, names: Collection[str]) -> Graph:
    """Leave HzDequantize nodes out: their outputs keep their names and give the raw integers.

    Args:
        graph: The integer graph.
        names: Names of the nodes.

    Returns:
        The graph without them.

    Raises:
        ModelError: A name is no HzDequantize node that ends in an output.
    """
    removable = {
        node.name: node
        for node in graph.nodes
        if isinstance(node.operator, Dequantize) and node.outputs[0] in graph.outputs
    }
    unknown = sorted(set(names) - set(removable))
    if unknown:
        raise ModelError(
            f"node {unknown[0]!r} cannot be left out, expected one of {', '.join(sorted(removable)) or 'none'}",
            hint="name Dequantize nodes that end in an output of the model",
        )
    outputs = dict(graph.outputs)
    for name in names:
        node, tensor = removable[name], removable[name].operands[0]
        operator = node.operator
        assert isinstance(operator, Dequantize)
        raw = GraphOutput(node.outputs[0], tensor, graph.types[tensor], operator.scale, operator.axis)
        outputs[node.outputs[0]] = raw
    kept = tuple(node for node in graph.nodes if node.name not in set(names))
    return _graph(kept, graph.constants, graph.inputs, outputs, graph.types)


def needed_nodes(graph: Graph, tensors: Collection[str]) -> tuple[Node, ...]:
    """The nodes that `tensors` depend on, in order."""
    needed = set(tensors)
    chosen = []
    for node in reversed(graph.nodes):
        if needed & set(node.outputs):
            chosen.append(node)
            needed.update(node.operands)
    return tuple(reversed(chosen))


def _graph(
    nodes: tuple[Node, ...],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, TensorType],
    outputs: Mapping[str, GraphOutput],
    types: Mapping[str, TensorType],
) -> Graph:
    producers = {name: node for node in nodes for name in node.outputs}
    consumers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.operands):
            consumers.setdefault(name, []).append(node)
    known = {name: kind for name, kind in types.items() if name in producers or name in inputs}
    return Graph(
        nodes=nodes,
        constants=MappingProxyType(dict(constants)),
        inputs=MappingProxyType(dict(inputs)),
        outputs=MappingProxyType(dict(outputs)),
        types=MappingProxyType(known),
        producers=MappingProxyType(producers),
        consumers=MappingProxyType({name: tuple(users) for name, users in consumers.items()}),
    )


def _input_type(value: Any, location: str) -> TensorType:
    shape, element = declared_shape(value), value.type.tensor_type.elem_type
    dtype = ELEMENT_DTYPES.get(element)
    good = dtype in INPUT_DTYPES and 0 < len(shape) <= MAX_RANK and all(size > 0 for size in shape)
    if not good or np.prod(shape, dtype=np.float64) > MAX_ELEMENTS:
        raise ModelError(
            f"input {value.name!r} of {location} is {dtype or f'of element type {element}'}{shorten(list(shape))}, "
            f"expected {', '.join(INPUT_DTYPES)} of fixed sizes, at most 2^30 elements",
            hint=HINT,
        )
    return TensorType(shape, np.dtype(dtype))


def _output(value: Any, types: Mapping[str, TensorType], location: str) -> GraphOutput:
    if value.name not in types:
        raise ModelError(f"output {value.name!r} of {location} is written by no node", hint=HINT)
    actual, shape = types[value.name], declared_shape(value)
    declared = ELEMENT_DTYPES.get(value.type.tensor_type.elem_type, "")
    fits = not shape or all(a in (0, b) for a, b in zip(shape, actual.shape, strict=False))
    if not fits or (shape and len(shape) != len(actual.shape)) or declared not in ("", actual.dtype.name):
        raise ModelError(
            f"output {value.name!r} of {location} is declared {declared}{list(shape)}, but its nodes give {actual}",
            hint=HINT,
        )
    return GraphOutput(value.name, value.name, actual, np.zeros(0, np.float32), 0)

"""A quantized graph (`*_quantized_model.onnx`), checked whole when it is loaded: nodes, constants, tensor types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.budget import Budget, operator_work
from edgekit.sim.graph_proto import (
    ELEMENT_DTYPES,
    attribute_values,
    constant_values,
    declared_shape,
    parse_model,
)
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.float_op import FloatOp
from edgekit.sim.ops.operator import Operator
from edgekit.sim.ops.reader import HINT, NodeReader
from edgekit.sim.ops.registry import OPERATORS
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

MAX_ELEMENTS = 1 << 30
INPUT_DTYPES = ("int8", "int16", "float32")  # pixels around 0, integers, and what an HzQuantize takes


@dataclass(frozen=True, slots=True)
class Node:
    """One operator application: `operands` are the inputs that its `operator` takes at run time."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    operands: tuple[str, ...]
    operator: Operator


@dataclass(frozen=True, slots=True)
class GraphOutput:
    """An output by its public name: the tensor behind it and, for integers, their unit.

    `scale` is (1,) or (C,) float32 along `axis` where a left-out Dequantize tells the unit, else empty.
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
    """Reads a quantized graph from a file or from its bytes.

    Raises ModelError, with the node's name, for everything that could not be executed exactly as meant:
    unknown operators, attributes and attribute values, shifts out of range, weights of another size.
    """
    model, place = parse_model(source)
    proto = model.graph
    _require_unique([_node_name(node, index) for index, node in enumerate(proto.node)], f"nodes of {place}")
    _require_unique([value.name for value in proto.input], f"inputs of {place}")
    _require_unique([value.name for value in proto.output], f"outputs of {place}")
    constants = constant_values(proto, place)
    read = {name for node in proto.node for name in node.input} | {value.name for value in proto.output}
    types: dict[str, TensorType] = {}
    for value in proto.input:
        if value.name not in constants and value.name in read:  # int16 builds leave inputs behind that nothing reads
            types[value.name] = _input_type(value, place)
    inputs = dict(types)
    nodes = []
    budget = Budget(place)
    for kind in types.values():
        budget.spend("(input)", [kind], 0)
    for index, node_proto in enumerate(proto.node):
        node = _read_node(node_proto, index, types, constants)
        nodes.append(node)
        known = {**types, **{name: _type_of(constants[name]) for name in node.operands if name in constants}}
        operands = [known[name] for name in node.operands]
        budget.spend(node.name, node.operator.outputs, operator_work(node.operator, operands))
        types.update(zip(node.outputs, node.operator.outputs, strict=True))
    outputs = {value.name: _output(value, types, place) for value in proto.output}
    if not outputs or not inputs:
        raise ModelError(f"{place} has {len(inputs)} inputs and {len(outputs)} outputs, expected some", hint=HINT)
    return _graph(tuple(nodes), constants, inputs, outputs, types)


def _type_of(array: np.ndarray) -> TensorType:
    return TensorType(array.shape, array.dtype)


def _require_unique(names: Sequence[str], what: str) -> None:
    """Raise ModelError where a name repeats: plans, reports and sidecars find nodes and tensors by their names."""
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise ModelError(
            f"{Counter(names)[repeated]} {what} have the name {shorten(repeated)}, expected every name once", hint=HINT
        )


def strip_dequantize(graph: Graph, names: Collection[str]) -> Graph:
    """`graph` without the HzDequantize nodes `names`: their outputs keep their names and give the raw integers.

    Raises ModelError where a name is no HzDequantize node that ends in an output.
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
    wanted = set(tensors)
    chosen = []
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            chosen.append(node)
            wanted.update(node.operands)
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


def _node_name(proto: Any, index: int) -> str:
    return proto.name or f"{proto.op_type}_{index}"


def _read_node(proto: Any, index: int, types: Mapping[str, TensorType], constants: Mapping[str, np.ndarray]) -> Node:
    name = _node_name(proto, index)
    domain = "" if proto.domain in ("", "ai.onnx") else proto.domain
    read = OPERATORS.get((domain, proto.op_type))
    if read is None:
        raise ModelError(
            f"node {name!r} is of the unknown operator {domain + '.' if domain else ''}{proto.op_type}",
            hint="see edgekit/sim/ops/registry.py for the operators there are; is this a *_quantized_model.onnx?",
        )
    known = {**types, **{key: _type_of(value) for key, value in constants.items()}}
    missing = [tensor for tensor in proto.input if tensor and tensor not in known]
    twice = [tensor for tensor in proto.output if tensor in known]
    reader = NodeReader(
        op_type=proto.op_type,
        name=name,
        inputs=proto.input,
        outputs=proto.output,
        attributes=attribute_values(proto, name),
        types=known,
        constants=constants,
    )
    reader.require(not missing, f"it reads {missing[:1]}", "a tensor that an earlier node writes")
    reader.require(not twice, f"it writes {twice[:1]}", "a tensor that nothing else writes")
    distinct = len(set(proto.output)) == len(proto.output) and "" not in proto.output
    reader.require(distinct, f"it writes {shorten(list(proto.output))}", "outputs of different names")
    operator = _read_operator(read, reader)
    reader.finish()
    count = len(operator.outputs)
    reader.require(len(proto.output) == count, f"{len(proto.output)} outputs", f"{count}")
    for output in operator.outputs:
        reader.require(output.size <= MAX_ELEMENTS, f"an output of {output.size} elements", "at most 2^30")
    return Node(
        op_type=proto.op_type,
        domain=domain,
        name=name,
        inputs=reader.inputs,
        outputs=reader.outputs,
        attributes=MappingProxyType(attribute_values(proto, name)),
        operands=tuple(reader.operands),
        operator=operator,
    )


def _read_operator(read: Callable[[NodeReader], Operator], reader: NodeReader) -> Operator:
    """Read one node; whatever its reader trips over is an error of the graph, named with its node."""
    try:
        return read(reader)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise reader.error(f"its parameters do not fit each other ({problem[:200]})", "a node that can run") from error


def _input_type(value: Any, place: str) -> TensorType:
    shape, element = declared_shape(value), value.type.tensor_type.elem_type
    dtype = ELEMENT_DTYPES.get(element)
    good = dtype in INPUT_DTYPES and len(shape) > 0 and all(size > 0 for size in shape)
    if not good or np.prod(shape, dtype=np.float64) > MAX_ELEMENTS:
        raise ModelError(
            f"input {value.name!r} of {place} is {dtype or f'of element type {element}'}{list(shape)}, "
            f"expected {', '.join(INPUT_DTYPES)} of fixed sizes, at most 2^30 elements",
            hint=HINT,
        )
    return TensorType(shape, np.dtype(dtype))


def _output(value: Any, types: Mapping[str, TensorType], place: str) -> GraphOutput:
    if value.name not in types:
        raise ModelError(f"output {value.name!r} of {place} is written by no node", hint=HINT)
    found, shape = types[value.name], declared_shape(value)
    declared = ELEMENT_DTYPES.get(value.type.tensor_type.elem_type, "")
    fits = not shape or all(a in (0, b) for a, b in zip(shape, found.shape, strict=False))
    if not fits or (shape and len(shape) != len(found.shape)) or declared not in ("", found.dtype.name):
        raise ModelError(
            f"output {value.name!r} of {place} is declared {declared}{list(shape)}, but its nodes give {found}",
            hint=HINT,
        )
    return GraphOutput(value.name, value.name, found, np.zeros(0, np.float32), 0)

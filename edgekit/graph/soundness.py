"""What onnx's own checker leaves unsaid of a file that somebody else wrote: tensors that hold what they say, no circle.

Some exporters append nodes where they please (half=True does); onnxruntime sorts them, and so does `sort_nodes`.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import Message
from onnx import numpy_helper

from edgekit.errors import ModelError
from edgekit.text import printable, shorten

ONNX_DOMAINS = ("", "ai.onnx")
MAX_SIDE = 1 << 31  # of a tensor: beyond, no file of 2 GiB holds it
AGAIN = "the file is damaged or was not written by an exporter: export the model again"


def check_text(message: Message, location: str) -> None:
    """Raise ModelError where a name or text anywhere in the file is not UTF-8.

    protobuf finds that when a text is read, not when the file is; some versions give bytes then.
    """
    try:
        sound = not any(isinstance(text, bytes) for text in _texts(message))
    except UnicodeDecodeError:
        sound = False
    if not sound:
        raise ModelError(f"{location}: a name in the file is not text (invalid UTF-8)", hint=AGAIN)


def _texts(message: Message) -> Iterator[str | bytes]:
    todo = [message]
    while todo:
        for kind, value in todo.pop().ListFields():
            if kind.type == kind.TYPE_MESSAGE:
                todo.extend([value] if isinstance(value, Message) else value)
            elif kind.type == kind.TYPE_STRING:
                yield from [value] if isinstance(value, (str, bytes)) else value


def check_tensors(model: onnx.ModelProto, location: str) -> None:
    """Raise ModelError naming the first stored tensor whose type is unknown or whose data do not fit its shape."""
    for tensor in stored_tensors(model.graph):
        try:
            if any(not 0 <= side < MAX_SIDE for side in tensor.dims):
                raise ValueError("a side out of range")
            numpy_helper.to_array(tensor)
        except Exception as error:  # ValueError, TypeError, KeyError, OverflowError, MemoryError by what is wrong
            shape, why = str(tuple(tensor.dims)), str(error) or type(error).__name__
            raise ModelError(
                f"{location}: tensor {shorten(tensor.name)} of shape {printable(shape, 60)} and element type "
                f"{tensor.data_type} does not hold such data ({printable(why, 100)})",
                hint=AGAIN,
            ) from error


def check_constants(model: onnx.ModelProto, location: str) -> None:
    """Raise ModelError where a stored tensor is of a type that the operation reading it does not take.

    Axes, sizes and pads are read as integers here, long before onnxruntime would refuse others.
    """
    opset = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 0)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    made = [(node, a) for node in model.graph.node if node.op_type == "Constant" for a in node.attribute]
    kinds |= {node.output[0]: a.t.data_type for node, a in made if a.name == "value"}
    for node in model.graph.node:
        if kinds.keys().isdisjoint(node.input) or node.domain not in ONNX_DOMAINS:
            continue
        try:
            formal = onnx.defs.get_schema(node.op_type, opset).inputs
        except onnx.defs.SchemaError:  # onnx's own checker names it
            continue
        for i, name in enumerate(node.input):
            types = formal[min(i, len(formal) - 1)].types if formal else set()
            if name in kinds and types and f"tensor({_type_name(kinds[name])})" not in types:
                raise ModelError(
                    f"{location}: node {shorten(node.name or node.output[0])} ({printable(node.op_type, 40)}) reads "
                    f"{shorten(name)} of type {_type_name(kinds[name])}, expected {' or '.join(sorted(types))}",
                    hint=AGAIN,
                )


def _type_name(kind: int) -> str:
    """ONNX's word in a schema, such as int64."""
    return str(onnx.TensorProto.DataType.Name(kind)).lower()


def stored_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every initializer and every tensor that a node's attribute holds, of inner graphs, too."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in inner_graphs(attribute):
                yield from stored_tensors(inner)


def inner_graphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """The graphs of If, Loop and Scan."""
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def inputs_of(node: onnx.NodeProto) -> list[str]:
    """What a node reads: its inputs, and what its inner graphs take from around them."""
    read = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in inner_graphs(attribute):
            own = {v.name for v in (*inner.input, *inner.initializer)} | {o for n in inner.node for o in n.output}
            read += [name for n in inner.node for name in inputs_of(n) if name not in own]
            read += [value.name for value in inner.output if value.name not in own]
    return list(dict.fromkeys(read))


def sort_nodes(model: onnx.ModelProto, location: str) -> None:
    """Bring the nodes into an order in which each comes after those that it reads; in place, stable.

    Raises ModelError naming a node that waits for itself.
    """
    nodes = list(model.graph.node)
    made_by = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    waits = [{made_by[name] for name in inputs_of(node) if name in made_by} for node in nodes]
    if all(max(before, default=-1) < i for i, before in enumerate(waits)):
        return
    order, placed = [], [False] * len(nodes)
    for first in range(len(nodes)):
        path: list[tuple[int, Iterator[int]]] = [(first, iter(sorted(waits[first])))]
        open_nodes = {first}
        while path and not placed[first]:
            current, pending = path[-1]
            following = next((i for i in pending if not placed[i]), None)
            if following is None:
                path.pop()
                open_nodes.discard(current)
                placed[current] = True
                order.append(nodes[current])
            elif following in open_nodes:
                node = nodes[following]
                name = f"{shorten(node.name or node.output[0])} ({printable(node.op_type, 40)})"
                raise ModelError(
                    f"{location}: node {name} depends on its own output, expected a graph without circles",
                    hint=AGAIN,
                )
            else:
                open_nodes.add(following)
                path.append((following, iter(sorted(waits[following]))))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
    del model.graph.node[:]
    model.graph.node.extend(copies)

"""An ONNX graph with an index: who makes a tensor, who reads it, what is constant; and pieces cut out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.session import onnxruntime_session
from edgekit.graph.soundness import check_constants, check_tensors, check_text, inputs_of, sort_nodes

MAX_FILE_BYTES = 1 << 31  # protobuf's own limit
Run = Callable[[Mapping[str, npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]

HORIZON_DOMAIN = "horizon"  # the vendor's dialect of quantized graphs
METADATA_OPS = ("Shape", "Size")  # they read a tensor's shape, not its values
PRODUCTS = ("MatMul", "Gemm", "Einsum")  # of matrices
COUNTING_OPS = ("NonZero", "NonMaxSuppression", "Compress", "Unique")  # the size of their outputs is that of a find


@dataclass(frozen=True, slots=True)
class GraphIndex:
    """Look-ups into `model.graph`; rebuilt, never patched, when a pass changes the graph."""

    model: onnx.ModelProto
    producers: Mapping[str, onnx.NodeProto] = field(repr=False)
    consumers: Mapping[str, tuple[onnx.NodeProto, ...]] = field(repr=False)
    constants: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    order: Mapping[str, int] = field(repr=False)  # tensor name -> position of the node that makes it

    @property
    def input_name(self) -> str:
        """Name of the first input."""
        return graph_inputs(self.model)[0].name

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs in their order."""
        return [output.name for output in self.model.graph.output]


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, external data included.

    Args:
        path: The file.

    Returns:
        The checked model: names unique and text, tensors as large as their shapes say, nodes in topological order.

    Raises:
        ModelError: The file is missing, empty, no ONNX or not a valid graph.
    """
    path = Path(path)
    again = "give the .onnx file that `yolo export format=onnx opset=11` wrote"
    if not path.is_file():
        raise ModelError(f"{path}: no such file", hint=again)
    size = path.stat().st_size
    if not 0 < size < MAX_FILE_BYTES:
        raise ModelError(f"{path}: {size} bytes, expected 1 byte to 2 GiB", hint=again)
    try:
        model = onnx.load(str(path), format="protobuf")  # else a .json suffix would choose the format
    except Exception as error:  # protobuf, onnx and the file system raise many kinds
        raise ModelError(f"{path}: cannot be read as ONNX ({_first_line(error)})", hint=again) from error
    check_text(model, str(path))
    for what, missing in (
        ("an ONNX file without nodes", not model.graph.node),
        ("a graph without outputs", not model.graph.output),
        ("a node without outputs", not all(node.output for node in model.graph.node)),
    ):
        if missing:
            raise ModelError(f"{path}: {what}, expected a network", hint=again)
    check_tensors(model, str(path))
    sort_nodes(model, str(path))
    check_model(model, str(path))
    check_constants(model, str(path))
    return model


def check_model(model: onnx.ModelProto, location: str) -> None:
    """Raise ModelError where onnx's own checker refuses the graph."""
    if is_horizon(model):
        return  # onnx knows no schema of the vendor's dialect
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise ModelError(
            f"{location}: not a valid ONNX graph ({_first_line(error)})", hint="export the model again"
        ) from error


def is_horizon(model: onnx.ModelProto) -> bool:
    """Whether the graph uses the vendor's quantized dialect."""
    return any(node.domain == HORIZON_DOMAIN for node in model.graph.node)


def index_graph(model: onnx.ModelProto) -> GraphIndex:
    """The look-ups of `model` as it stands."""
    producers, order = {}, {}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for position, node in enumerate(model.graph.node):
        for name in node.output:
            producers[name], order[name] = node, position
        for name in inputs_of(node):
            consumers.setdefault(name, []).append(node)
        if node.op_type == "Constant" and node.attribute:
            value = constant_value(node.attribute[0])
            constants |= {} if value is None else {node.output[0]: value}
    readers = {name: tuple(nodes) for name, nodes in consumers.items()}
    return GraphIndex(model, producers, readers, constants, order)


def constant_value(attribute: onnx.AttributeProto) -> npt.NDArray[Any] | None:
    """The value of a Constant node: a tensor, or (since opset 12) numbers; None for strings and sparse tensors."""
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    return np.asarray(value, kinds[attribute.name]) if attribute.name in kinds else None


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller feeds: those that no initializer fills."""
    filled = {i.name for i in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in filled]


def declared_shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The declared shape; 0 stands for a dimension that is symbolic or unknown."""
    return tuple(int(d.dim_value) for d in value.type.tensor_type.shape.dim)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes as Python values."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def reachable(index: GraphIndex, start: str) -> set[str]:
    """Every tensor that depends on the values (not only the shape) of tensor `start`, itself included.

    Behind an op whose output is as long as what it finds, shapes are values, too.
    """
    visited, todo = {(start, False)}, [(start, False)]  # tensor, and whether its shape depends on the values
    while todo:
        name, loose = todo.pop()
        for node in index.consumers.get(name, ()):
            if loose or node.op_type not in METADATA_OPS:
                counts = loose or node.op_type in COUNTING_OPS
                new = {(output, counts) for output in node.output if output} - visited
                visited |= new
                todo.extend(new)
    return {name for name, _ in visited}


def extract(model: onnx.ModelProto, inputs: Mapping[str, Sequence[int]], outputs: Iterable[str]) -> onnx.ModelProto:
    """The part of `model` that computes `outputs` from `inputs` (float32 of these shapes), as a model of its own.

    Nodes and initializers that no output needs are left behind; a graph input that is still needed stays one.
    Metadata, opset and IR version are kept.
    """
    outputs = list(outputs)
    producers = {name: node for node in model.graph.node for name in node.output}
    needed, todo = set(), list(outputs)
    while todo:
        name = todo.pop()
        if name in needed:
            continue
        needed.add(name)
        if name not in inputs and name in producers:
            todo.extend(inputs_of(producers[name]))
    made = [n for n in model.graph.node if any(o in needed and o not in inputs for o in n.output)]
    still = [value for value in graph_inputs(model) if value.name in needed and value.name not in inputs]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        made,
        model.graph.name or "main_graph",
        [*still, *(helper.make_tensor_value_info(n, float32, list(s)) for n, s in inputs.items())],
        [onnx.ValueInfoProto(name=name) for name in outputs],  # onnxruntime infers their types
        [i for i in model.graph.initializer if i.name in needed],
    )
    piece = helper.make_model(graph, opset_imports=model.opset_import, producer_name=model.producer_name)
    piece.ir_version = model.ir_version
    piece.metadata_props.extend(model.metadata_props)
    return piece


def drop_unread(model: onnx.ModelProto) -> None:
    """Take out the nodes and initializers that no output depends on, in place."""
    producers = {name: node for node in model.graph.node for name in node.output}
    needed, todo = set(), [output.name for output in model.graph.output]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(inputs_of(producers[name]) if name in producers else ())
    nodes = [node for node in model.graph.node if needed.intersection(node.output)]
    initializers = [initializer for initializer in model.graph.initializer if initializer.name in needed]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(initializers)


def open_session(model: onnx.ModelProto) -> Run:
    """Open a model on onnxruntime with one thread, which makes its results repeatable.

    Args:
        model: The float graph.

    Returns:
        A function of feeds by input name to a dict of values by output name; feeds that the graph has no input for are
        left out, so that a piece of a graph takes what the whole takes.
    """
    try:
        session = onnxruntime_session(model.SerializeToString(), exact=True)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise _not_runnable(error) from error
    names = [output.name for output in session.get_outputs()]
    taken = {value.name for value in session.get_inputs()}

    def run(feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        try:
            return dict(zip(names, session.run(names, {n: x for n, x in feeds.items() if n in taken}), strict=True))
        except Exception as error:
            raise _not_runnable(error) from error

    return run


def tensor_shapes(
    model: onnx.ModelProto, names: Iterable[str], input_shape: Sequence[int]
) -> dict[str, tuple[int, ...]]:
    """The true shapes of these tensors, found by running the graph once on zeros.

    `input_shape` is that of the first input; further ones have the shapes that they declare.
    """
    names = list(names)
    shapes = {value.name: declared_shape(value) for value in graph_inputs(model)}
    shapes[graph_inputs(model)[0].name] = tuple(input_shape)
    values = open_session(extract(model, {}, names))({n: np.zeros(s, np.float32) for n, s in shapes.items()})
    return {name: tuple(values[name].shape) for name in names}


def _not_runnable(error: Exception) -> ModelError:
    return ModelError(
        f"onnxruntime cannot run the graph ({_first_line(error)})",
        hint="export the model again, with fixed size (dynamic=False) and opset=11",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]

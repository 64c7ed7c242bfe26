"""The ONNX file behind a quantized graph as plain Python and numpy values, nothing in it trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.ops.reader import HINT

ELEMENT_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64"}  # TensorProto's numbers
MAX_BYTES = 1 << 30


def parse_model(source: Path | str | bytes) -> tuple[Any, str]:
    """The ModelProto and what to call it in messages; ModelError where the bytes are no ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if isinstance(source, bytes):
        data, place = source, "the quantized graph"
    else:
        data, place = _read(Path(source)), str(source)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise _foreign(place, "cannot be parsed as ONNX") from error
    if not model.graph.node:
        raise _foreign(place, "holds no nodes")
    return model, place


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path} has {size} bytes, expected at most {MAX_BYTES}", hint="check the path")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})", hint="check the path") from error


def _foreign(place: str, what: str) -> ModelError:
    return ModelError(
        f"{place} {what}, expected a quantized graph (*_quantized_model.onnx)",
        hint="compile the model again; the file may be truncated or of another kind",
    )


def constant_values(graph: Any, place: str) -> Mapping[str, np.ndarray]:
    """Every initializer as a read-only array; its bytes must be exactly what its dims say."""
    values = {}
    for tensor in graph.initializer:
        if tensor.name in values:
            raise ModelError(f"initializer {tensor.name!r} of {place} is there twice", hint=HINT)
        values[tensor.name] = _constant(tensor, _user(graph, tensor.name))
    return values


def _constant(tensor: Any, user: str) -> np.ndarray:
    from onnx import numpy_helper

    name = f"initializer {tensor.name!r} of {user}"
    dtype = ELEMENT_DTYPES.get(tensor.data_type)
    if dtype is None:
        raise ModelError(f"{name} is of element type {tensor.data_type}, expected float or integers", hint=HINT)
    if tensor.data_location or tensor.external_data:
        raise ModelError(f"{name} lies in another file, expected it inside the graph", hint=HINT)
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{name} has dims {list(tensor.dims)}, expected sizes of 0 or more", hint=HINT)
    expected = math.prod(tensor.dims)
    found = _stored_elements(tensor, np.dtype(dtype).itemsize)
    if found != expected:
        raise ModelError(
            f"{name} holds {found:g} elements, expected {expected} for dims {list(tensor.dims)}", hint=HINT
        )
    array = np.array(numpy_helper.to_array(tensor))
    array.setflags(write=False)
    return array


def _stored_elements(tensor: Any, itemsize: int) -> float:
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) / itemsize
    return len(tensor.float_data) or len(tensor.int32_data) or len(tensor.int64_data)


def _user(graph: Any, tensor: str) -> str:
    names = [node.name or node.op_type for node in graph.node if tensor in node.input]
    return f"node {names[0]!r}" if names else "no node"


def attribute_values(node: Any, name: str) -> Mapping[str, Any]:
    """The attributes as int, float, str or lists of those."""
    from onnx import helper

    values = {}
    for attribute in node.attribute:
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError as error:
            raise ModelError(f"node {name!r}: attribute {attribute.name} has no value", hint=HINT) from error
        values[attribute.name] = _plain(value, f"node {name!r}: attribute {attribute.name}")
    return values


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{place} is no text", hint=HINT) from error
    if isinstance(value, (int, float, str)):
        return value
    if hasattr(value, "__iter__"):
        return [_plain(item, place) for item in value]
    raise ModelError(f"{place} is a {type(value).__name__}, expected numbers or text", hint=HINT)


def declared_shape(value: Any) -> tuple[int, ...]:
    """The shape that a value info declares; 0 stands for a size that it leaves open."""
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)

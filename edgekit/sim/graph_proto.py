"""The ONNX file behind a quantized graph as plain Python and numpy values, nothing in it trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.ops.reader import HINT
from edgekit.text import read_bytes, shorten

ELEMENT_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64"}  # TensorProto's numbers
VALUE_FIELDS = {  # field of a TensorProto -> the dtypes whose elements it holds, where raw_data does not
    "float_data": ("float32",),
    "int32_data": ("uint8", "int8", "int16", "int32"),
    "int64_data": ("int64",),
    "string_data": (),
    "double_data": (),
    "uint64_data": (),
}
MAX_CONSTANT_RANK = 16
MAX_BYTES = 1 << 30


def parse_model(source: Path | str | bytes) -> tuple[Any, str]:
    """The ModelProto and what to call it in messages; ModelError where the bytes are no ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if isinstance(source, bytes):
        data, location = source, "the quantized graph"
    else:
        data, location = read_bytes(Path(source), max_bytes=MAX_BYTES, error=ModelError), str(source)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise _not_quantized(location, "cannot be parsed as ONNX") from error
    if not model.graph.node:
        raise _not_quantized(location, "holds no nodes")
    return model, location


def _not_quantized(location: str, what: str) -> ModelError:
    return ModelError(
        f"{location} {what}, expected a quantized graph (*_quantized_model.onnx)",
        hint="compile the model again; the file may be truncated or of another kind",
    )


def constant_values(graph: Any, location: str) -> Mapping[str, np.ndarray]:
    """Every initializer as a read-only array; its elements must be exactly what its dims and its type say."""
    values: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        if tensor.name in values:
            raise ModelError(f"initializer {shorten(tensor.name)} of {location} is there twice", hint=HINT)
        try:
            values[tensor.name] = _constant(tensor)
        except _InvalidTensor as fault:
            name = f"initializer {shorten(tensor.name)} of {_user(graph, tensor.name)}"
            raise ModelError(f"{name} {fault}", hint=HINT) from None
    return values


class _InvalidTensor(Exception):
    """What is wrong with an initializer, as it stands behind the initializer's name."""


def _constant(tensor: Any) -> np.ndarray:
    dtype = ELEMENT_DTYPES.get(tensor.data_type)
    dims = [int(size) for size in tensor.dims]
    if dtype is None:
        raise _InvalidTensor(f"is of element type {tensor.data_type}, expected float or integers")
    if tensor.data_location or tensor.external_data:
        raise _InvalidTensor("lies in another file, expected it inside the graph")
    if len(dims) > MAX_CONSTANT_RANK:
        raise _InvalidTensor(f"has {len(dims)} dims, expected at most {MAX_CONSTANT_RANK}")
    if any(not 0 <= size < MAX_BYTES for size in dims):
        raise _InvalidTensor(f"has dims {dims}, expected sizes of 0 to {MAX_BYTES - 1}")
    if math.prod(size or 1 for size in dims) > MAX_BYTES:  # numpy refuses some shapes of no elements, too
        raise _InvalidTensor(f"has dims {dims}, expected at most {MAX_BYTES} elements")
    array = _elements(tensor, np.dtype(dtype), math.prod(dims)).reshape(dims)
    array.setflags(write=False)
    return array


def _elements(tensor: Any, dtype: np.dtype[Any], expected: int) -> np.ndarray:
    """The elements of a TensorProto in one row, from the only field that may hold them."""
    fields = {name: getattr(tensor, name) for name in VALUE_FIELDS}
    expected_field = next(name for name, dtypes in VALUE_FIELDS.items() if dtype.name in dtypes)
    filled = [name for name, values in fields.items() if len(values)]
    raw = tensor.HasField("raw_data")
    unexpected = [name for name in filled if raw or name != expected_field]
    if unexpected:
        raise _InvalidTensor(
            f"is {dtype.name} and holds {unexpected[0]}, expected {'raw_data alone' if raw else expected_field}"
        )
    count = len(tensor.raw_data) / dtype.itemsize if raw else len(fields[expected_field])
    if count != expected:
        raise _InvalidTensor(f"holds {count:g} elements, expected {expected} for dims {list(tensor.dims)}")
    if raw:
        return np.frombuffer(tensor.raw_data, dtype.newbyteorder("<")).astype(dtype)
    if dtype.kind == "f":
        return np.array(fields[expected_field], dtype)
    values = np.array(fields[expected_field], np.int64)
    limits = np.iinfo(dtype)
    if values.size and not limits.min <= values.min() <= values.max() <= limits.max:
        raise _InvalidTensor(f"holds {values.min()}..{values.max()}, expected values that {dtype.name} can hold")
    return values.astype(dtype)


def _user(graph: Any, tensor: str) -> str:
    names = [node.name or node.op_type for node in graph.node if tensor in node.input]
    return f"node {shorten(names[0], 200)}" if names else "no node"


def attribute_values(node: Any, name: str) -> Mapping[str, Any]:
    """The attributes as int, float, str or lists of those."""
    from onnx import helper

    values: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in values:
            raise ModelError(
                f"node {shorten(name, 200)}: attribute {shorten(attribute.name)} is there twice, expected it once",
                hint=HINT,
            )
        location = f"node {shorten(name, 200)}: attribute {shorten(attribute.name)[1:-1]}"
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError as error:
            raise ModelError(f"{location} has no value", hint=HINT) from error
        values[attribute.name] = _plain(value, location)
    return values


def _plain(value: Any, location: str) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{location} is no text", hint=HINT) from error
    if isinstance(value, (int, float, str)):
        return value
    if hasattr(value, "__iter__"):
        return [_plain(item, location) for item in value]
    raise ModelError(f"{location} is a {type(value).__name__}, expected numbers or text", hint=HINT)


def declared_shape(value: Any) -> tuple[int, ...]:
    """The shape that a value info declares; 0 stands for a size that it leaves open."""
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)

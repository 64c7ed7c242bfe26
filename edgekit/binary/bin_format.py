"""What a compiled `.bin` says about itself, read without the vendor's tools and without trust.

The structure was worked out from compiled files (march bayes-e, builder 1.24.3) as black boxes, with these
numbers: the model holds 5 = graph and 6 = metadata {1: {1 = key, 2 = value}}; the graph holds 1 = node
{1 inputs, 2 outputs, 3 name, 4 op type, 5 attribute {1 name, 4 integer}}, 2 = name, 3 = initializer
{1 = {1 type, 2 dims}, 2 = floats, 8 = name}, 4 = inputs and 5 = outputs {1 = name, 2 = {1 type, 2 dims}},
7 = input kind per input.
Element types are numbered as in ONNX. The instructions themselves (initializer PACKED_HBM_MODEL) are not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.binary.protowire import (
    BYTES,
    WireError,
    first_text,
    floats,
    integers,
    read_fields,
    submessages,
    texts,
)
from edgekit.errors import ModelError

GRAPH, METADATA = 5, 6  # of the model
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT, INPUT_KIND = 1, 2, 3, 4, 5, 7  # of the graph
ELEMENT_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
INPUT_KINDS = {7: "nv12"}  # the one seen; hb_model_info prints it as InputDataType.NV12: 7
PACKED_MODEL = "PACKED_HBM_MODEL"
MAX_FILE_BYTES = 1 << 30
MAX_RANK = 8
MAX_SCALES = 1 << 16
VERSION_KEYS = {
    "hb_mapper": "BUILDER_VERSION",
    "hbdk": "HBDK_VERSION",
    "hbdk_runtime": "HBDK_RUNTIME_VERSION",
    "horizon_nn": "HORIZON_NN_VERSION",
}


@dataclass(frozen=True, slots=True)
class BinInput:
    """An input as the runtime takes it: `kind` is nv12, rgb, ... (or `type <n>`), `shape` what the BPU sees."""

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    train_kind: str
    train_layout: str
    color_range: str


@dataclass(frozen=True, slots=True)
class BinOutput:
    """An output as the runtime gives it.

    `scales` are those of the integers behind it (one, or one per channel along `scale_axis`), also where the
    Dequantize node still stands; empty where the file holds none. `dequantized_by` names that node, "" where
    it was removed or never was: then `dtype` is the integers' own.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    scale_axis: int | None
    dequantized_by: str
    integer_name: str


@dataclass(frozen=True, slots=True)
class BinNode:
    """A node of the runtime's graph: the BPU's sub-graph, or an operator on the CPU."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axis: int | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether the board's CPU runs it."""
        return self.op_type != "BPU"


@dataclass(frozen=True, slots=True)
class BinInfo:
    """All that a `.bin` says; `metadata` keeps every key of the build as it stands, for what has no field here."""

    path: Path
    file_bytes: int
    name: str
    march: str
    versions: Mapping[str, str]
    inputs: tuple[BinInput, ...]
    outputs: tuple[BinOutput, ...]
    nodes: tuple[BinNode, ...]
    deleted_nodes: tuple[str, ...]
    metadata: Mapping[str, str]

    @property
    def dequantize_nodes(self) -> tuple[str, ...]:
        """Names of the Dequantize nodes that still run on the board's CPU."""
        return tuple(node.name for node in self.nodes if node.op_type == "Dequantize")


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str


def read_bin(path: Path) -> BinInfo:
    """Read a compiled `.bin`.

    Args:
        path: The file.

    Returns:
        What it says of itself: inputs, outputs with scales, nodes, versions, the build's metadata.

    Raises:
        ModelError: The file is missing, too large or of another format.
    """
    path = Path(path)
    data = _bytes(path)
    try:
        parts = {number: value for number, wire, value in read_fields(data) if wire == BYTES}
        graph, build = parts.get(GRAPH), parts.get(METADATA)
        if not isinstance(graph, memoryview) or not isinstance(build, memoryview):
            raise WireError("no graph and build metadata in it")
        metadata = {first_text(entry, 1): first_text(entry, 2).strip() for entry in submessages(build, 1)}
        info = _info(path, len(data), graph, metadata)
    except WireError as error:
        raise ModelError(
            f"{path} is no compiled .bin of hb_mapper ({error})",
            hint="give the .bin that edgekit compile or hb_mapper wrote; a cut or half-copied one reads like this",
        ) from error
    return info


def looks_like_bin(head: bytes) -> bool:
    """Return whether a file's first bytes are those of a compiled `.bin`: two version numbers, then the graph.

    Args:
        head: At least its first six bytes.

    Returns:
        False for anything else, and for fewer bytes.
    """
    return len(head) >= 6 and head[0] == 0x08 and head[2] == 0x10 and head[4] == GRAPH << 3 | BYTES


def _bytes(path: Path) -> memoryview:
    try:
        size = path.stat().st_size
        if not 0 < size <= MAX_FILE_BYTES:
            raise ModelError(
                f"{path} has {size} bytes, expected 1 to {MAX_FILE_BYTES}",
                hint="check that this is the compiled model",
            )
        return memoryview(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error})", hint="check the path and its permissions"
        ) from error


def _info(path: Path, size: int, graph: memoryview, metadata: dict[str, str]) -> BinInfo:
    nodes = tuple(_node(message) for message in submessages(graph, NODE))
    if not any(node.op_type == "BPU" for node in nodes) or "MARCH" not in metadata:
        raise WireError("no BPU node and march in it")
    scales = _scales(graph)
    outputs = map(_tensor, submessages(graph, OUTPUT))
    return BinInfo(
        path=path,
        file_bytes=size,
        name=first_text(graph, GRAPH_NAME),
        march=metadata["MARCH"],
        versions={tool: metadata[key] for tool, key in VERSION_KEYS.items() if metadata.get(key)},
        inputs=_inputs(graph, metadata),
        outputs=tuple(_output(tensor, nodes, scales, metadata) for tensor in outputs),
        nodes=nodes,
        deleted_nodes=tuple(metadata.get("DELETED_NODES", "").split()),
        metadata=metadata,
    )


def _node(message: memoryview) -> BinNode:
    return BinNode(
        name=first_text(message, 3),
        op_type=first_text(message, 4),
        inputs=texts(message, 1),
        outputs=texts(message, 2),
        axis=next((_integer(a, 4) for a in submessages(message, 5) if first_text(a, 1) == "axis"), None),
    )


def _integer(message: memoryview, field: int) -> int | None:
    return next(iter(integers(message, field)), None)


def _tensor(message: memoryview) -> _Tensor:
    described = next(submessages(message, 2), memoryview(b""))
    code = next(iter(integers(described, 1)), 0)
    shape = integers(described, 2)
    if len(shape) > MAX_RANK or any(not 0 < size < 1 << 31 for size in shape):
        raise WireError(f"tensor of shape {shape}")
    return _Tensor(first_text(message, 1), shape, ELEMENT_TYPES.get(code, f"type {code}"))


def _scales(graph: memoryview) -> dict[str, tuple[float, ...]]:
    """The float initializers by name; the packed instructions, most of the file, are skipped unread."""
    scales = {}
    for message in submessages(graph, INITIALIZER):
        name = first_text(message, 8)
        described = next(submessages(message, 1), None)
        if name == PACKED_MODEL or described is None or integers(described, 1)[:1] != (1,):
            continue
        if math.prod(integers(described, 2)) > MAX_SCALES:
            raise WireError(f"initializer {name} with more than {MAX_SCALES} floats")
        scales[name] = floats(message, 2)
    return scales


def _inputs(graph: memoryview, metadata: dict[str, str]) -> tuple[BinInput, ...]:
    kinds = integers(graph, INPUT_KIND)
    tensors = [_tensor(message) for message in submessages(graph, INPUT)]
    return tuple(
        BinInput(
            name=tensor.name,
            kind=_listed(metadata, "INPUT_TYPE_RT", index) or _kind(kinds, index),
            shape=tensor.shape,
            dtype=tensor.dtype,
            train_kind=_listed(metadata, "INPUT_TYPE_TRAIN", index),
            train_layout=_listed(metadata, "INPUT_LAYOUT_TRAIN", index),
            color_range=_listed(metadata, "INPUT_SPACE_AND_RANGE", index),
        )
        for index, tensor in enumerate(tensors)
    )


def _kind(kinds: tuple[int, ...], index: int) -> str:
    if index >= len(kinds):
        return "unknown"
    return INPUT_KINDS.get(kinds[index], f"type {kinds[index]}")


def _listed(metadata: dict[str, str], key: str, index: int) -> str:
    """Item `index` of a value that joins one item per input with semicolons."""
    items = metadata.get(key, "").split(";")
    return items[index].strip() if index < len(items) else ""


def _output(
    tensor: _Tensor,
    nodes: tuple[BinNode, ...],
    scales: dict[str, tuple[float, ...]],
    metadata: dict[str, str],
) -> BinOutput:
    node = next((n for n in nodes if n.op_type == "Dequantize" and tensor.name in n.outputs), None)
    if node is not None:
        integer_name, scale_name = (*node.inputs, "", "")[:2]
        axis = node.axis
    else:  # removed: hb_model_modifier leaves its name, scale and axis in the metadata
        integer_name = metadata.get(f"DN_M_{tensor.name}", "")
        scale_name = metadata.get(f"DN_D_{integer_name}_scale", "")
        axis_text = metadata.get(f"DN_D_{integer_name}_axis", "")
        axis = int(axis_text) if axis_text.isdecimal() and len(axis_text) < 3 else None
    values = scales.get(scale_name, ())
    if not all(map(math.isfinite, values)):
        raise WireError(f"scales of {tensor.name} that are not finite")
    return BinOutput(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scales=values,
        scale_axis=axis if len(values) > 1 else None,
        dequantized_by=node.name if node else "",
        integer_name=integer_name,
    )

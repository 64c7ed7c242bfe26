"""A convolution's constants, read the same way for Conv and ConvTranspose, and written back without side effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgekit.graph.onnx_graph import GraphIndex, attributes

CONVOLUTIONS = ("Conv", "ConvTranspose")
WEIGHT, BIAS = 1, 2  # positions in `node.input`
LISTED_INPUTS_BELOW_IR = 4  # older files list every initializer among the graph's inputs, too

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A 2-D convolution with constant float32 weights; `bias` is None if it has none."""

    node: onnx.NodeProto
    weight: Array
    bias: Array | None
    group: int

    @property
    def transposed(self) -> bool:
        """Whether it is a ConvTranspose."""
        return bool(self.node.op_type == "ConvTranspose")

    @property
    def input(self) -> str:
        """Name of the data input."""
        return str(self.node.input[0])

    @property
    def output(self) -> str:
        """Name of the output."""
        return str(self.node.output[0])

    @property
    def out_channels(self) -> int:
        """Number of output channels."""
        return int(self.weight.shape[1] * self.group if self.transposed else self.weight.shape[0])

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return int(self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.group)


def read_convolution(index: GraphIndex, node: onnx.NodeProto) -> Convolution | None:
    """Return the node as a Convolution; None if it is something else or its weights are not constant float32."""
    if node.op_type not in CONVOLUTIONS or node.domain not in ("", "ai.onnx"):
        return None
    weight = index.constants.get(node.input[WEIGHT])
    named = bias_name(node)
    bias = index.constants.get(named) if named else None
    if weight is None or weight.dtype != np.float32 or weight.ndim != 4 or (named and bias is None):
        return None
    return Convolution(node, weight, bias, int(attributes(node).get("group", 1)))


def bias_name(node: onnx.NodeProto) -> str:
    """Return the tensor that holds the convolution's bias, "" if it has none."""
    return str(node.input[BIAS]) if len(node.input) > BIAS else ""


def by_group(weight: Array, *, group: int, transposed: bool) -> Array:
    """Return (group, outputs, inputs, kh, kw) of a Conv (O, I / group, ...) or ConvTranspose (I, O / group, ...)."""
    split = weight.reshape(group, weight.shape[0] // group, *weight.shape[1:])
    return split.swapaxes(1, 2) if transposed else split


def from_groups(grouped: Array, *, transposed: bool) -> Array:
    """Return ONNX's weights from (group, outputs, inputs, kh, kw): the inverse of `by_group`."""
    split = grouped.swapaxes(1, 2) if transposed else grouped
    return np.ascontiguousarray(split.reshape(-1, *split.shape[2:]))


def set_constant(model: onnx.ModelProto, node: onnx.NodeProto, position: int, value: Array, new_name: str) -> None:
    """Make `value` the node's input at `position`, in `model`, only for this node.

    An initializer that only this node reads is overwritten and keeps its name; otherwise (shared, made by a Constant
    node, or not there yet) the node reads a new initializer called `new_name`, or nearly so where that is taken.
    """
    while len(node.input) <= position:
        node.input.append("")
    name = node.input[position]
    held = [i for i, tensor in enumerate(model.graph.initializer) if tensor.name == name]
    if name and held and _uses(model, name) == 1:
        model.graph.initializer[held[0]].CopyFrom(numpy_helper.from_array(value, name))
        return
    node.input[position] = add_initializer(model, new_name, value)


def add_initializer(model: onnx.ModelProto, preferred: str, value: Array) -> str:
    """Add a constant to `model` and return its name: `preferred`, numbered if that is taken."""
    taken, name, count = tensor_names(model), preferred, 1
    while name in taken:
        name, count = f"{preferred}_{count}", count + 1
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    if model.ir_version < LISTED_INPUTS_BELOW_IR:
        listed = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(value.shape))
        model.graph.input.append(listed)
    return name


def tensor_names(model: onnx.ModelProto) -> set[str]:
    """Return every tensor name in use."""
    graph = model.graph
    made = {name for node in graph.node for names in (node.input, node.output) for name in names}
    return made | {v.name for values in (graph.initializer, graph.input, graph.output) for v in values}


def _uses(model: onnx.ModelProto, name: str) -> int:
    read = sum(list(node.input).count(name) for node in model.graph.node)
    return read + sum(output.name == name for output in model.graph.output)

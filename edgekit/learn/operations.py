"""The operations of the simplified float graph in torch: NCHW tensors in, NCHW tensors out, nothing rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatGraph, FloatNode

Attributes = Mapping[str, Any]
Operation = Callable[[FloatNode, Sequence[Any], tuple[int, ...]], Any]  # node, inputs, shape of the result

SMALLEST_SUM = 1e-6  # in front of an inverse root: a sum that was rounded to 0 has no gradient


TABLES: dict[str, Callable[[Any, Attributes], Any]] = {
    "swish": lambda x, attrs: F.silu(x),
    "sigmoid": lambda x, attrs: torch.sigmoid(x),
    "tanh": lambda x, attrs: torch.tanh(x),
    "relu": lambda x, attrs: F.relu(x),
    "leaky_relu": lambda x, attrs: F.leaky_relu(x, attrs.get("alpha", 0.01)),
    "hard_swish": lambda x, attrs: F.hardswish(x),
    "hard_sigmoid": lambda x, attrs: (attrs.get("alpha", 0.2) * x + attrs.get("beta", 0.5)).clamp(0, 1),
    "elu": lambda x, attrs: F.elu(x, attrs.get("alpha", 1.0)),
    "clip": lambda x, attrs: x.clamp(attrs["low"], attrs["high"]),
    "softplus": lambda x, attrs: F.softplus(x),
    "exp": lambda x, attrs: torch.exp(x),
    "rsqrt": lambda x, attrs: x.clamp_min(SMALLEST_SUM).rsqrt(),
}


def convolve(node: FloatNode, x: Any, weight: Any, bias: Any) -> Any:
    """Run a Conv or ConvTranspose node with this weight and bias, and the relu that was fused into it.

    Args:
        node: The node; its attributes are ONNX's.
        x: (1, C, H, W).
        weight: As ONNX has it for the operation.
        bias: (O,) or None.

    Returns:
        (1, O, H', W').
    """
    attrs = node.attrs
    top, left, bottom, right = attrs.get("pads", [0] * 4)
    strides, dilations = attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1])
    group = int(attrs.get("group", 1))
    if node.op == "ConvTranspose":
        extra = attrs.get("output_padding", [0, 0])
        y = F.conv_transpose2d(x, weight, bias, strides, 0, extra, group, dilations)
        y = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
    elif (top, left) == (bottom, right):
        y = F.conv2d(x, weight, bias, strides, (top, left), dilations, group)
    else:
        y = F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, strides, 0, dilations, group)
    return F.relu(y) if attrs.get("activation") == "relu" else y


def _max_pool(node: FloatNode, inputs: Sequence[Any], shape: tuple[int, ...]) -> Any:
    top, left, bottom, right = node.attrs.get("pads", [0] * 4)
    padded = F.pad(inputs[0], (left, right, top, bottom), value=float("-inf"))
    strides = node.attrs.get("strides", [1, 1])
    return F.max_pool2d(padded, node.attrs["kernel_shape"], strides, ceil_mode=bool(node.attrs.get("ceil_mode", 0)))


def _resize(node: FloatNode, inputs: Sequence[Any], shape: tuple[int, ...]) -> Any:
    if node.attrs.get("mode", "nearest") != "linear":
        return F.interpolate(inputs[0], size=shape[2:], mode="nearest")
    default = "half_pixel" if node.op == "Resize" else "asymmetric"
    mode = str(node.attrs.get("coordinate_transformation_mode", default))
    return _linear(_linear(inputs[0], 2, shape[2], mode), 3, shape[3], mode)


def _linear(x: Any, axis: int, size: int, mode: str) -> Any:
    """Interpolate along one axis at the positions of ONNX's coordinate_transformation_mode, edges repeated."""
    count, steps = x.shape[axis], torch.arange(size, dtype=torch.float64)
    if mode == "align_corners":
        positions = steps * (count - 1) / max(size - 1, 1)
    else:
        positions = steps * count / size if mode == "asymmetric" else (steps + 0.5) * count / size - 0.5
    inside = positions.clamp(0, count - 1)
    low = inside.long()
    shape = [size if i == axis else 1 for i in range(x.dim())]
    part = (inside - low).to(x.dtype).reshape(shape).to(x.device)
    near, far = (x.index_select(axis, index.to(x.device)) for index in (low, (low + 1).clamp(max=count - 1)))
    return near * (1 - part) + far * part


def _slice(node: FloatNode, inputs: Sequence[Any], shape: tuple[int, ...]) -> Any:
    start = node.attrs["start"]
    return inputs[0].narrow(node.attrs["axis"], start, node.attrs["end"] - start)


OPERATIONS: dict[str, Operation] = {
    "Table": lambda node, inputs, shape: TABLES[node.attrs["function"]](inputs[0], node.attrs),
    "Add": lambda node, inputs, shape: inputs[0] + inputs[1],
    "Sub": lambda node, inputs, shape: inputs[0] - inputs[1],
    "Mul": lambda node, inputs, shape: inputs[0] * inputs[1],
    "GlobalAveragePool": lambda node, inputs, shape: inputs[0].mean(dim=(2, 3), keepdim=True),
    "MaxPool": _max_pool,
    "ReduceMax": lambda node, inputs, shape: inputs[0].amax(dim=[int(a) for a in node.attrs["axes"]], keepdim=True),
    "ReduceSum": lambda node, inputs, shape: inputs[0].sum(dim=[int(a) for a in node.attrs["axes"]], keepdim=True),
    "Resize": _resize,
    "Upsample": _resize,
    "Slice": _slice,
    "Concat": lambda node, inputs, shape: torch.cat(list(inputs), dim=int(node.attrs["axis"])),
    "Reshape": lambda node, inputs, shape: inputs[0].reshape(shape),
    "Flatten": lambda node, inputs, shape: inputs[0].reshape(shape),
    "Transpose": lambda node, inputs, shape: inputs[0].permute(*node.attrs["perm"]),
    "Scale": lambda node, inputs, shape: inputs[0] * node.attrs["alpha"],
    "MatMul": lambda node, inputs, shape: inputs[0] @ inputs[1],
    "Softmax": lambda node, inputs, shape: torch.softmax(inputs[0], dim=-1),
}
WEIGHTED = ("Conv", "ConvTranspose")


def check_operations(graph: FloatGraph) -> None:
    """Refuse a graph that the interpreter cannot run.

    Args:
        graph: The simplified float graph.

    Raises:
        ModelError: A node's operation, table function or layout has no form here; the node is named.
    """
    for node in graph.nodes:
        function = str(node.attrs.get("function", ""))
        known = node.op in WEIGHTED or (node.op in OPERATIONS and (node.op != "Table" or function in TABLES))
        if not known:
            raise ModelError(
                f"node {node.name!r} ({node.op}{f' {function}' if function else ''}) has no form to learn with, "
                f"expected one of {', '.join(sorted([*OPERATIONS, *WEIGHTED]))}",
                hint="tune without --learn, or cut the model before that node",
            )

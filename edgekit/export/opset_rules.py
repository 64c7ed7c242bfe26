"""Operations of opsets 12 to 22 written in opset 11: attributes that became inputs, and operations that came later.

Each rule keeps the numbers; what has no equal is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import GraphIndex, attributes, declared_shape

TARGET = 11
REDUCTIONS = tuple(
    f"Reduce{kind}" for kind in ("Sum", "Max", "Mean", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
)
AXES_AS_INPUT = ("Split", "Squeeze", "Unsqueeze", *REDUCTIONS)
AXES_NAME = {"Split": "split"}
Rule = Callable[[onnx.NodeProto, GraphIndex], list[onnx.NodeProto]]


def lower_node(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """Write a node in opset 11.

    Args:
        node: Of an opset from 12 on.
        index: Of its graph.

    Returns:
        The nodes that stand for it; the node itself where no rule applies.

    Raises:
        ModelError: It has no equal.
    """
    if node.op_type in AXES_AS_INPUT:
        return [_axes_as_attribute(node, index)]
    rule = RULES.get(node.op_type)
    return rule(node, index) if rule else [node]


def no_equal(node: onnx.NodeProto, why: str) -> ModelError:
    """Return the error for a node that opset 11 cannot say."""
    return ModelError(
        f"{node.op_type} {node.name!r} has no equal in opset {TARGET}: {why}", hint="export again with opset=11"
    )


def _axes_as_attribute(node: onnx.NodeProto, index: GraphIndex) -> onnx.NodeProto:
    """Split, Squeeze, the reductions: their second input was an attribute before opset 13 (18)."""
    values = attributes(node)
    keeps = values.pop("noop_with_empty_axes", 0)
    has_axes = len(node.input) > 1 and bool(node.input[1])
    axes = index.constants.get(node.input[1]) if has_axes else np.zeros(0, np.int64)
    if axes is None:
        raise no_equal(node, f"its input {node.input[1]!r} is computed, expected a constant")
    if keeps and not axes.size and not values.get("axes"):
        return helper.make_node("Identity", node.input[:1], list(node.output), name=node.name)
    values.pop("num_outputs", None)  # an even split is the default of opset 11, too
    if not axes.size:
        return _copy(node, node.input[:1], values)
    return _copy(node, node.input[:1], {**values, AXES_NAME.get(node.op_type, "axes"): [int(a) for a in axes.ravel()]})


def _resize(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """Before opset 13 region and scales are no optional inputs; empty ones say the same.

    Upsampling needs no antialias.
    """
    values = attributes(node)
    inputs = [*node.input, *[""] * (3 - len(node.input))]
    scales = index.constants.get(inputs[2])
    enlarges = scales is not None and scales.size > 0 and bool((scales >= 1).all())
    if values.pop("antialias", 0) and not enlarges:
        raise no_equal(node, "its antialias")
    if values.pop("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise no_equal(node, "its keep_aspect_ratio_policy")
    if values.get("coordinate_transformation_mode") == b"half_pixel_symmetric":  # the same where nothing is cut off
        if not (enlarges and scales is not None and np.array_equal(scales, np.rint(scales))):
            raise no_equal(node, "its coordinate_transformation_mode half_pixel_symmetric")
        values["coordinate_transformation_mode"] = b"half_pixel"
    made: list[onnx.NodeProto] = []
    if axes := values.pop("axes", None):
        if scales is None or not scales.size:
            raise no_equal(node, "its axes with sizes")
        full = _spread(scales, axes, np.ones(_rank(node, index), np.float32))
        inputs[2] = f"{node.output[0]}_scales"
        made.append(_constant(inputs[2], full))
    required = [inputs[0], inputs[1] or "edgekit_empty_roi", inputs[2] or "edgekit_empty_scales"]
    return [*made, _copy(node, [*required, *inputs[3:]], values)]


def _pad(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """Opset 18 can name the axes that are padded; opset 19 can wrap around."""
    if attributes(node).get("mode") == b"wrap":
        raise no_equal(node, "its mode wrap")
    if len(node.input) < 4 or not node.input[3]:
        return [_copy(node, node.input[:3], attributes(node))]
    pads, axes = (index.constants.get(node.input[i]) for i in (1, 3))
    if pads is None or axes is None:
        raise no_equal(node, "its pads or axes are computed, expected constants")
    rank, name = _rank(node, index), f"{node.output[0]}_pads"
    ends = [_spread(half, axes.ravel(), np.zeros(rank, np.int64)) for half in np.split(pads.ravel(), 2)]
    inputs = [node.input[0], name, *[value for value in node.input[2:3] if value]]
    return [_constant(name, np.concatenate(ends)), _copy(node, inputs, attributes(node))]


def _softmax(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """Over one axis since opset 13, over all axes from there on before: the same on the last axis."""
    values = attributes(node)
    if values.get("axis", -1) != -1:
        raise no_equal(node, f"its axis {values['axis']} is not -1")
    return [_copy(node, node.input, {"axis": -1})]


def _reshape(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    values = attributes(node)
    if values.pop("allowzero", 0):
        raise no_equal(node, "its allowzero")
    return [_copy(node, node.input, values)]


def _average_pool(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """Dilations came with opset 19."""
    values = attributes(node)
    if any(step != 1 for step in values.pop("dilations", ())):
        raise no_equal(node, "its dilations")
    return [_copy(node, node.input, values)]


def _batch_normalization(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    values = attributes(node)
    if values.pop("training_mode", 0):
        raise no_equal(node, "its training_mode, an export of a model in training")
    return [_copy(node, node.input, values)]


def _dropout(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """Nothing at inference; its ratio and mode became inputs in opset 12."""
    training = index.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if (training is not None and bool(training.any())) or len([o for o in node.output if o]) > 1:
        raise no_equal(node, "its training mode or mask")
    return [helper.make_node("Identity", node.input[:1], node.output[:1], node.name)]


def _cast(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    values = attributes(node)
    values.pop("saturate", None)  # of 8-bit floats
    return [_copy(node, node.input, values)]


def _constant_value(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """Opset 12 writes numbers as they are, opset 11 as a tensor."""
    value = index.constants.get(node.output[0])
    return [node] if value is None else [_constant(node.output[0], value, node.name)]


def _pow(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    """The exponent had to be of the base's type before opset 12."""
    exponent = index.constants.get(node.input[1])
    if exponent is None or exponent.dtype.kind == "f":
        return [node]
    name = f"{node.output[0]}_exponent"
    return [_constant(name, exponent.astype(np.float32)), _copy(node, [node.input[0], name], {})]


def _hard_swish(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """X * HardSigmoid(x) with the slope 1/6 that opset 14 defines it by."""
    gate = f"{node.output[0]}_gate"
    return [
        helper.make_node("HardSigmoid", node.input[:1], [gate], f"{node.name}_gate", alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", [node.input[0], gate], node.output, node.name),
    ]


def _mish(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """X * tanh(softplus(x)), as opset 18 defines it."""
    soft, gate = f"{node.output[0]}_softplus", f"{node.output[0]}_gate"
    return [
        helper.make_node("Softplus", node.input[:1], [soft], f"{node.name}_softplus"),
        helper.make_node("Tanh", [soft], [gate], f"{node.name}_gate"),
        helper.make_node("Mul", [node.input[0], gate], node.output, node.name),
    ]


def _gelu(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """X / 2 * (1 + erf(x / sqrt 2)), as opset 20 defines it."""
    if attributes(node).get("approximate", b"none") != b"none":
        raise no_equal(node, "its approximation by tanh")
    x, stem = node.input[0], node.output[0]
    numbers = {"root": np.sqrt(2.0), "one": 1.0, "half": 0.5}
    constants = [_constant(f"{stem}_{key}", np.asarray(value, np.float32)) for key, value in numbers.items()]
    steps = (("Div", x, "root", "scaled"), ("Erf", "scaled", "", "erf"), ("Add", "erf", "one", "gate"))
    nodes = []
    for op, first, second, result in steps:
        inputs = [first if first == x else f"{stem}_{first}", *([f"{stem}_{second}"] if second else [])]
        nodes.append(helper.make_node(op, inputs, [f"{stem}_{result}"], f"{node.name}_{result}"))
    nodes.append(helper.make_node("Mul", [x, f"{stem}_gate"], [f"{stem}_double"], f"{node.name}_double"))
    last = helper.make_node("Mul", [f"{stem}_double", f"{stem}_half"], node.output, node.name)
    return [*constants, *nodes, last]


RULES: dict[str, Rule] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Constant": _constant_value,
    "Dropout": _dropout,
    "Gelu": _gelu,
    "HardSwish": _hard_swish,
    "LogSoftmax": _softmax,
    "Mish": _mish,
    "Pad": _pad,
    "Pow": _pow,
    "Reshape": _reshape,
    "Resize": _resize,
    "Softmax": _softmax,
}


def _rank(node: onnx.NodeProto, index: GraphIndex) -> int:
    """The number of axes of what a node reads first, by shape inference."""
    inferred = onnx.shape_inference.infer_shapes(index.model).graph
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        if value.name == node.input[0] and declared_shape(value):
            return len(declared_shape(value))
    raise no_equal(node, "its axes, of a tensor of unknown rank")


def _spread(values: npt.NDArray[Any], axes: Any, full: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`full` with `values` on `axes`."""
    for value, axis in zip(values.ravel(), axes, strict=True):
        full[int(axis)] = value
    return full


def _constant(name: str, value: npt.NDArray[Any], node_name: str = "") -> onnx.NodeProto:
    return helper.make_node(
        "Constant", [], [name], node_name or f"{name}/Constant", value=numpy_helper.from_array(value)
    )


def _copy(node: onnx.NodeProto, inputs: Any, values: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(node.op_type, list(inputs), list(node.output), name=node.name, **values)

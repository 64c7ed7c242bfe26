"""Q/DQ graphs made float: QuantizeLinear and DequantizeLinear go, their scales are declared beside the graph.

Quantization-aware training and onnxruntime's quantizer write pairs of the two around every tensor and weight. The
pair of an activation says its threshold, the pair of a weight its grid; without them the graph is an ordinary float
model, whose weights lie on their grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export.decoder_constants import restored_constants
from edgekit.export.dropped_relus import activated_tensors, never_negative, with_relus
from edgekit.export.qdq_removal import Removal
from edgekit.graph.declared_quantization import DeclaredQuantization
from edgekit.graph.onnx_graph import attributes, declared_shape, graph_inputs, index_graph

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# Operations on integers that no float graph stands behind one to one.
INTEGER_OPS = (
    *("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearConcat"),
    *("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QGemm"),
)
Array = npt.NDArray[Any]


def holds_qdq(model: onnx.ModelProto) -> bool:
    """Whether the graph holds nodes that quantize or dequantize, or operations on integers."""
    return any(node.op_type in (QUANTIZE, DEQUANTIZE, *INTEGER_OPS) for node in model.graph.node)


def remove_qdq(model: onnx.ModelProto) -> tuple[onnx.ModelProto, DeclaredQuantization]:
    """Take the Q/DQ pairs out of a graph.

    Args:
        model: The graph; it is not changed.

    Returns:
        A copy without them, in float, and what they said.

    Raises:
        ModelError: The graph computes on integers (QLinearConv, ...), or computes its scales.
    """
    removal = Removal(index_graph(model), _image_size(model))
    kept = []
    for node in model.graph.node:
        if node.op_type in INTEGER_OPS:
            raise _integer_operations(node)
        if node.op_type == QUANTIZE:
            _take_quantize(removal, node)
        elif node.op_type == DEQUANTIZE:
            _take_dequantize(removal, node)
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:], plain.graph.value_info[:]
    plain.graph.node.extend(_joined(removal, kept, {o.name for o in model.graph.output}))
    read = {name for node in plain.graph.node for name in node.input}
    initializers = [i for i in plain.graph.initializer if i.name in read and i.name not in removal.constants]
    del plain.graph.initializer[:]
    plain.graph.initializer.extend(initializers)
    for name in sorted(read & set(removal.constants)):
        plain.graph.initializer.append(numpy_helper.from_array(removal.constants[name], name))
    _drop_domains(plain)
    image = {value.name for value in model.graph.input}
    thresholds = {name: value for name, value in removal.thresholds.items() if name not in image}
    return plain, DeclaredQuantization(thresholds, removal.weight_scales)


def quantization_notes(
    declared: DeclaredQuantization, anchors: Sequence[Sequence[tuple[float, float]]] = ()
) -> tuple[str, ...]:
    """Return what to say of a model whose quantization is its export's.

    Args:
        declared: What the export says.
        anchors: Anchor boxes in pixels, stride by stride, if its decoder has them.
    """
    if not declared:
        return ()
    sides = [2 * side for of_stride in anchors for anchor in of_stride for side in anchor]
    rounded = (
        "anchor boxes stand as the quantizer left them, which may be a pixel beside those that were trained: leave the "
        "decoder out of the quantization (nodes_to_exclude)",
    )
    return (
        f"quantized in training or by a quantizer (Q/DQ): {len(declared.thresholds)} thresholds and the grids of "
        f"{len(declared.weight_scales)} weights are taken from there",
        *(rounded if any(side != round(side) for side in sides) else ()),
    )


def _image_size(model: onnx.ModelProto) -> tuple[int, int] | None:
    """Width and height of the first input that is an image of a fixed size."""
    shapes = [declared_shape(value) for value in graph_inputs(model)]
    sizes = [(shape[3], shape[2]) for shape in shapes if len(shape) == 4 and min(shape[2:]) > 0]
    return sizes[0] if sizes else None


def _take_quantize(removal: Removal, node: onnx.NodeProto) -> None:
    """The integers stand for the float tensor; what they can show is its threshold."""
    name = removal.source(node.input[0])
    removal.alias[node.output[0]] = name
    scale, zero_point = _parameters(removal, node)
    if name in removal.index.constants or name in removal.constants:
        removal.constants[node.output[0]] = _quantized(
            node, removal.constants.get(name, removal.index.constants.get(name)), scale, zero_point
        )
        del removal.alias[node.output[0]]
        return
    limits = np.iinfo(zero_point.dtype)
    low = (limits.min - zero_point.astype(np.float64)) * scale
    high = (limits.max - zero_point.astype(np.float64)) * scale
    symmetric = limits.min < 0 and not zero_point.any()
    threshold = float(high.max() if symmetric else max(high.max(), -low.min()))
    removal.thresholds[name] = max(threshold, removal.thresholds.get(name, 0.0))
    if not low.any() and not never_negative(removal, name):
        removal.relus[name] = f"{node.name or node.output[0]}_relu"


def _take_dequantize(removal: Removal, node: onnx.NodeProto) -> None:
    """A constant is dequantized; an activation is the float tensor again."""
    name, output = node.input[0], node.output[0]
    scale, zero_point = _parameters(removal, node)
    integers = removal.constants.get(name, removal.index.constants.get(name))
    if integers is None:
        removal.alias[output] = removal.source(name)
        return
    steps, points = _along(node, scale, integers), _along(node, zero_point, integers)
    values = (integers.astype(np.float64) - points.astype(np.float64)) * steps
    restored = restored_constants(values, steps, removal.size_wh)
    removal.constants[output] = np.asarray(values if restored is None else restored, np.float32)
    if restored is None and integers.dtype != np.int32 and integers.ndim > 1:
        removal.weight_scales[output] = tuple(float(step) for step in scale.ravel())


def _parameters(removal: Removal, node: onnx.NodeProto) -> tuple[npt.NDArray[np.float64], Array]:
    """Scale and zero point of a node; both are constants, or the graph is refused."""
    scale = removal.index.constants.get(node.input[1])
    dtype = np.dtype(np.uint8)
    if "output_dtype" in attributes(node):
        dtype = helper.tensor_dtype_to_np_dtype(attributes(node)["output_dtype"] or onnx.TensorProto.UINT8)
    has_zero_point = len(node.input) > 2 and bool(node.input[2])
    zero_point = removal.index.constants.get(node.input[2]) if has_zero_point else np.zeros((), dtype)
    if scale is None or zero_point is None:
        raise ModelError(
            f"{node.op_type} {node.name or node.output[0]!r} computes its scale, expected a constant",
            hint="quantize with static calibration (QuantFormat.QDQ), or give the float export",
        )
    if zero_point.dtype.kind not in "iu":
        raise ModelError(
            f"{node.op_type} {node.name or node.output[0]!r} quantizes to {zero_point.dtype}, expected integers",
            hint="quantize to int8 or uint8, or give the float export",
        )
    steps = scale.astype(np.float64)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise ModelError(
            f"{node.op_type} {node.name or node.output[0]!r} has scales that are not positive finite numbers",
            hint="quantize again, with calibration images that reach every layer",
        )
    if steps.ndim > 1 or not steps.size or zero_point.ndim > 1 or zero_point.size not in (1, steps.size):
        raise ModelError(
            f"{node.op_type} {node.name or node.output[0]!r} has scales {list(steps.shape)} and zero points "
            f"{list(zero_point.shape)}, expected one of each, or as many as channels",
            hint="quantize per tensor or per channel; blocks of weights are not read",
        )
    return steps, zero_point


def _quantized(node: onnx.NodeProto, values: Array | None, scale: npt.NDArray[np.float64], zero_point: Array) -> Array:
    assert values is not None
    limits = np.iinfo(zero_point.dtype)
    steps, points = _along(node, scale, values), _along(node, zero_point, values)
    integers = np.rint(values.astype(np.float64) / steps) + points.astype(np.float64)
    return np.asarray(np.clip(integers, limits.min, limits.max), zero_point.dtype)


def _along(node: onnx.NodeProto, parameter: Array, values: Array) -> Array:
    """A scalar as it is, one entry per slice of the node's axis shaped to broadcast."""
    if parameter.size == 1:
        return parameter.reshape(())
    axis = _axis(node)
    if not -values.ndim <= axis < values.ndim or values.shape[axis] != parameter.size:
        raise ModelError(
            f"{node.op_type} {node.name or node.output[0]!r} has {parameter.size} scales along axis {axis} of "
            f"{list(values.shape)}, expected one for each slice",
            hint="export and quantize again: the file is damaged",
        )
    shape = [1] * values.ndim
    shape[axis] = parameter.size
    return parameter.reshape(shape)


def _axis(node: onnx.NodeProto) -> int:
    return int(attributes(node).get("axis", 1))


def _joined(removal: Removal, nodes: list[onnx.NodeProto], ends: set[str]) -> list[onnx.NodeProto]:
    """The nodes with every reader of a pair at the float tensor; graph outputs keep their names."""
    for node in nodes:
        node.input[:] = [removal.source(name) for name in node.input]
    result = with_relus(removal, nodes, activated_tensors(removal, nodes, {removal.source(end) for end in ends}))
    for end in sorted(ends & set(removal.alias)):
        result.append(helper.make_node("Identity", [removal.source(end)], [end], name=f"{end}_identity"))
    return result


def _drop_domains(model: onnx.ModelProto) -> None:
    used = {"" if node.domain == "ai.onnx" else node.domain for node in model.graph.node}
    kept = [o for o in model.opset_import if o.domain in ("", "ai.onnx") or o.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _integer_operations(node: onnx.NodeProto) -> ModelError:
    return ModelError(
        f"{node.op_type} {node.name or node.output[0]!r} computes on integers, expected a float graph, or one with "
        "QuantizeLinear and DequantizeLinear around float operations",
        hint="quantize with quant_format=QuantFormat.QDQ and static calibration, or give the float export",
    )

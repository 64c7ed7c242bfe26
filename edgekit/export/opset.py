"""Opset 11, which the toolchain wants: newer graphs are lowered op by op, older ones raised by onnx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.graph.onnx_graph import GraphIndex, attributes, index_graph

OPSETS = (10, 11)  # what hb_mapper 1.24 reads
TARGET = 11
IR_VERSION = 6  # the one that belongs to opset 11
AXES_AS_INPUT = ("Split", "Squeeze", "Unsqueeze", "ReduceSum", "ReduceMax", "ReduceMean", "ReduceMin")
AXES_NAME = {"Split": "split"}


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators; raises ModelError where the graph names none."""
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise ModelError(f"the graph names {len(versions)} opsets, expected one", hint="export the model again")
    return int(versions[0])


def to_opset_11(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in opset 10 or 11; raises ModelError naming the first op that has no equal there."""
    version = opset_of(model)
    if version in OPSETS:
        return model
    return _raised(model, version) if version < min(OPSETS) else _lowered(model, version)


def _raised(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(model, TARGET)
    except Exception as error:  # the converter raises RuntimeError and its own kinds
        raise ModelError(
            f"opset {version} cannot be raised to {TARGET} ({str(error).splitlines()[0][:120]})",
            hint="export again with opset=11",
        ) from error


def _lowered(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    index = index_graph(model)
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    del lowered.graph.node[:], lowered.opset_import[:]
    for node in model.graph.node:
        new_nodes = _lower_node(node, index)
        for new in new_nodes:
            _require_known(new, version)
        lowered.graph.node.extend(new_nodes)
    lowered.opset_import.append(helper.make_opsetid("", TARGET))
    lowered.ir_version = min(model.ir_version, IR_VERSION)
    for name in sorted({i for n in lowered.graph.node for i in n.input} - _known(lowered)):
        lowered.graph.initializer.append(numpy_helper.from_array(np.zeros(0, np.float32), name))  # empty rois
    _drop_unread(lowered.graph)
    return lowered


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Take out the constants that became attributes."""
    read = {name for node in graph.node for name in node.input}
    kept = [initializer for initializer in graph.initializer if initializer.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _known(model: onnx.ModelProto) -> set[str]:
    graph = model.graph
    made = {o for n in graph.node for o in n.output}
    return made | {i.name for i in graph.initializer} | {i.name for i in graph.input} | {""}


def _lower_node(node: onnx.NodeProto, index: GraphIndex) -> list[onnx.NodeProto]:
    if node.op_type in AXES_AS_INPUT:
        return [_axes_as_attribute(node, index)]
    rewrite = REWRITES.get(node.op_type)
    return rewrite(node, index) if rewrite else [node]


def _axes_as_attribute(node: onnx.NodeProto, index: GraphIndex) -> onnx.NodeProto:
    """Split, Squeeze, the reductions: their second input was an attribute before opset 13 (18)."""
    values = attributes(node)
    if len(node.input) < 2 or not node.input[1]:
        values.pop("num_outputs", None)  # an even split is the default of opset 11, too
        return _copy(node, node.input[:1], values)
    axes = index.constants.get(node.input[1])
    if axes is None:
        raise _no_equal(node, f"its input {node.input[1]!r} is computed, expected a constant")
    values.pop("noop_with_empty_axes", None)
    return _copy(node, node.input[:1], {**values, AXES_NAME.get(node.op_type, "axes"): [int(a) for a in axes.ravel()]})


def _resize(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """Before opset 13 the region is no optional input; an empty one says the same."""
    values = attributes(node)
    for name in ("antialias", "axes", "keep_aspect_ratio_policy"):  # opset 18, absent by default
        if values.pop(name, 0) not in (0, b"stretch"):
            raise _no_equal(node, f"its {name}")
    inputs = [*node.input, *[""] * (3 - len(node.input))]
    return [_copy(node, [inputs[0], inputs[1] or "edgekit_empty_roi", *inputs[2:]], values)]


def _softmax(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """Over one axis since opset 13, over all axes from there on before: the same on the last axis."""
    values = attributes(node)
    if values.get("axis", -1) != -1:
        raise _no_equal(node, f"its axis {values['axis']} is not -1")
    return [_copy(node, node.input, {"axis": -1})]


def _reshape(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    values = attributes(node)
    if values.pop("allowzero", 0):
        raise _no_equal(node, "its allowzero")
    return [_copy(node, node.input, values)]


def _hard_swish(node: onnx.NodeProto, _: GraphIndex) -> list[onnx.NodeProto]:
    """X * HardSigmoid(x) with the slope 1/6 that opset 14 defines it by."""
    gate = f"{node.output[0]}_gate"
    return [
        helper.make_node("HardSigmoid", node.input[:1], [gate], f"{node.name}_gate", alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", [node.input[0], gate], node.output, node.name),
    ]


REWRITES: dict[str, Callable[[onnx.NodeProto, GraphIndex], list[onnx.NodeProto]]] = {
    "Resize": _resize,
    "Softmax": _softmax,
    "Reshape": _reshape,
    "HardSwish": _hard_swish,
}


def _require_known(node: onnx.NodeProto, version: int) -> None:
    """Every op and attribute that is left must be one that opset 11 has."""
    if node.domain not in ("", "ai.onnx"):
        raise _no_equal(node, f"domain {node.domain!r}")
    try:
        schema = onnx.defs.get_schema(node.op_type, TARGET)
    except onnx.defs.SchemaError:
        raise _no_equal(node, f"it came after opset {TARGET}") from None
    unknown = sorted({a.name for a in node.attribute} - set(schema.attributes))
    if unknown or not schema.min_input <= len(node.input) <= schema.max_input:
        raise _no_equal(node, f"attribute {unknown[0]!r}" if unknown else f"its {len(node.input)} inputs")


def _copy(node: onnx.NodeProto, inputs: Any, values: dict[str, Any]) -> onnx.NodeProto:
    return helper.make_node(node.op_type, list(inputs), list(node.output), name=node.name, **values)


def _no_equal(node: onnx.NodeProto, why: str) -> ModelError:
    return ModelError(
        f"{node.op_type} {node.name!r} has no equal in opset {TARGET}: {why}", hint="export again with opset=11"
    )

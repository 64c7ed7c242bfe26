"""Opset 11, which the toolchain wants: newer graphs are lowered op by op, older ones raised by onnx."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.export.opset_rules import TARGET, lower_node, no_equal
from edgekit.graph.onnx_graph import index_graph

OPSETS = (10, TARGET)  # what hb_mapper 1.24 reads
IR_VERSION = 6  # the one that belongs to opset 11


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
    return _raised(model, version) if version < min(OPSETS) else _lowered(model)


def _raised(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(model, TARGET)
    except Exception as error:  # the converter raises RuntimeError and its own kinds
        raise ModelError(
            f"opset {version} cannot be raised to {TARGET} ({str(error).splitlines()[0][:120]})",
            hint="export again with opset=11",
        ) from error


def _lowered(model: onnx.ModelProto) -> onnx.ModelProto:
    index = index_graph(model)
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    del lowered.graph.node[:], lowered.opset_import[:]
    for node in model.graph.node:
        new_nodes = lower_node(node, index)
        for new in new_nodes:
            _require_known(new)
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


def _require_known(node: onnx.NodeProto) -> None:
    """Every op and attribute that is left must be one that opset 11 has."""
    if node.domain not in ("", "ai.onnx"):
        raise no_equal(node, f"domain {node.domain!r}")
    try:
        schema = onnx.defs.get_schema(node.op_type, TARGET)
    except onnx.defs.SchemaError:
        raise no_equal(node, f"it came after opset {TARGET}") from None
    unknown = sorted({a.name for a in node.attribute} - set(schema.attributes))
    if unknown or not schema.min_input <= len(node.input) <= schema.max_input:
        raise no_equal(node, f"attribute {unknown[0]!r}" if unknown else f"its {len(node.input)} inputs")

"""Quantized graphs made for tests: a handful of nodes in the vendor's dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

ELEMENTS = {
    "int8": onnx.TensorProto.INT8,
    "int16": onnx.TensorProto.INT16,
    "int32": onnx.TensorProto.INT32,
    "float32": onnx.TensorProto.FLOAT,
}


@dataclass(frozen=True)
class NodeSpec:
    op_type: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


def graph_bytes(
    nodes: Sequence[NodeSpec],
    inputs: Mapping[str, tuple[str, Sequence[int]]],
    outputs: Mapping[str, tuple[str, Sequence[int]]],
) -> bytes:
    """The ONNX bytes of a graph; inputs and outputs: name -> (dtype, shape)."""
    return model_proto(nodes, inputs, outputs).SerializeToString()


def model_proto(
    nodes: Sequence[NodeSpec],
    inputs: Mapping[str, tuple[str, Sequence[int]]],
    outputs: Mapping[str, tuple[str, Sequence[int]]],
) -> onnx.ModelProto:
    protos = [
        helper.make_node(
            n.op_type,
            list(n.inputs),
            list(n.outputs),
            name=n.name or f"{n.op_type}_{i}",
            domain="horizon" if n.op_type.startswith("Hz") else "",
            **n.attributes,
        )
        for i, n in enumerate(nodes)
    ]
    constants = {name: np.asarray(value) for node in nodes for name, value in node.constants.items()}
    graph = helper.make_graph(
        protos,
        "synthetic",
        [helper.make_tensor_value_info(n, ELEMENTS[d], list(s)) for n, (d, s) in inputs.items()],
        [helper.make_tensor_value_info(n, ELEMENTS[d], list(s)) for n, (d, s) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 11), helper.make_opsetid("horizon", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=6)


def one_op(
    op_type: str,
    x: np.ndarray,
    attributes: Mapping[str, Any],
    *,
    extra: Mapping[str, np.ndarray] | None = None,
    out: tuple[str, Sequence[int]] | None = None,
    more_inputs: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """A graph of one node `node` over the input `x`; `extra` are constants, `more_inputs` further graph inputs."""
    constants, fed = dict(extra or {}), dict(more_inputs or {})
    node = NodeSpec(op_type, ["x", *constants, *fed], ["y"], attributes, constants, name="node")
    inputs = {"x": (x.dtype.name, x.shape), **{n: (v.dtype.name, v.shape) for n, v in fed.items()}}
    dtype, shape = out or (x.dtype.name, x.shape)
    return graph_bytes([node], inputs, {"y": (dtype, shape)})

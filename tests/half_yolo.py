"""Half precision as exporters write it: float16 inside, with float32 ends (casts appended unsorted) or without."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STAY = {"Resize": (1, 2)}  # inputs that the op wants in float32


def halved(model: onnx.ModelProto, *, half_ends: bool = False) -> onnx.ModelProto:
    """A copy of a float32 model in float16; `half_ends`: its input and outputs, too, as exports of before 2025."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    single = {n.input[i] for n in graph.node for i in STAY.get(n.op_type, ()) if i < len(n.input)}
    for tensor in graph.initializer:
        _halve(tensor, keep=tensor.name in single)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _halve(attribute.t, keep=node.output[0] in single)
            elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    ends = [*graph.input, *graph.output]
    if half_ends:
        for value in ends:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
        return half
    inner = {value.name: f"graph_{value.name}_cast" for value in ends}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [inner.get(name, name) for name in names]
    casts = [
        *(helper.make_node("Cast", [v.name], [inner[v.name]], to=TensorProto.FLOAT16) for v in graph.input),
        *(helper.make_node("Cast", [inner[v.name]], [v.name], to=TensorProto.FLOAT) for v in graph.output),
    ]
    graph.node.extend(casts)  # the first behind those that read it: as the converters leave it
    return half


def _halve(tensor: onnx.TensorProto, *, keep: bool) -> None:
    if tensor.data_type == TensorProto.FLOAT and not keep:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))

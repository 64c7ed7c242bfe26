"""Half precision made single: exports with half=True hold float16 inside, which the toolchain does not take."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edgekit.graph.soundness import inner_graphs, inputs_of, stored_tensors

HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
SINGLE = TensorProto.FLOAT


def holds_halves(model: onnx.ModelProto) -> bool:
    """Whether any input, output, weight or cast of the graph is of half precision."""
    values = (*model.graph.input, *model.graph.output)
    return (
        any(value.type.tensor_type.elem_type in HALVES for value in values)
        or any(tensor.data_type in HALVES for tensor in stored_tensors(model.graph))
        or any(a.i in HALVES for node in model.graph.node if node.op_type == "Cast" for a in node.attribute)
    )


def to_single(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which everything of half precision is float32, and casts between the two are gone.

    The numbers are those of the file; what it computes from them is rounded less.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for tensor in stored_tensors(single.graph):
        if tensor.data_type in HALVES:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    _retype(single.graph)
    del single.graph.value_info[:]
    _drop_casts(single)
    return single


def _retype(graph: onnx.GraphProto) -> None:
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in HALVES:
            value.type.tensor_type.elem_type = SINGLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in HALVES:
                attribute.i = SINGLE
            for inner in inner_graphs(attribute):
                _retype(inner)


def _drop_casts(model: onnx.ModelProto) -> None:
    """Take out the casts to float32 of what is float32 already; what an output was cast from bears its name."""
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *graph.input)}
    kinds |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    ends = {value.name for value in graph.output}
    made = {name for node in graph.node for name in node.output} - ends
    inside = {name for node in graph.node for name in inputs_of(node) if name not in node.input}  # by inner graphs
    names: dict[str, str] = {}
    kept = []
    for node in graph.node:
        before = _followed(node.input[0], names) if node.input else ""
        to = next((a.i for a in node.attribute if a.name == "to"), 0)
        idle = node.op_type == "Cast" and to == SINGLE and kinds.get(before) == SINGLE
        after = node.output[0]
        if idle and after not in ends and not {before, after} & inside:
            names[after] = before
        elif idle and before in made and before not in names and not {before, after} & inside:
            names[before] = after
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    for node in kept:
        node.input[:] = [_followed(name, names) for name in node.input]
        node.output[:] = [_followed(name, names) for name in node.output]
    del graph.node[:]
    graph.node.extend(kept)


def _followed(name: str, names: dict[str, str]) -> str:
    while name in names:
        name = names[name]
    return name

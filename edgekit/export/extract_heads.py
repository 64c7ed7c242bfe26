"""The cut itself: the head maps become the graph's outputs, NHWC and with telling names; what is behind goes."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import helper

from edgekit.graph.onnx_graph import extract

NCHW_TO_NHWC = (0, 2, 3, 1)


def reroot(model: onnx.ModelProto, outputs: Mapping[str, tuple[str, tuple[int, ...]]]) -> onnx.ModelProto:
    """`model` up to these tensors. `outputs`: new name -> (tensor, its shape); maps (1, c, h, w) get a Transpose."""
    pruned = extract(model, {}, dict.fromkeys(tensor for tensor, _ in outputs.values()))
    _free_names(pruned.graph, set(outputs))
    del pruned.graph.output[:]
    for name, (tensor, shape) in outputs.items():
        tensor = _renamed(tensor, set(outputs))
        if len(shape) == 4:
            node = helper.make_node("Transpose", [tensor], [name], f"{name}/Transpose", perm=NCHW_TO_NHWC)
            shape = tuple(shape[axis] for axis in NCHW_TO_NHWC)
        else:
            node = helper.make_node("Identity", [tensor], [name], f"{name}/Identity")
        pruned.graph.node.append(node)
        pruned.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape)))
    return pruned


def _renamed(tensor: str, taken: set[str]) -> str:
    return f"{tensor}_nchw" if tensor in taken else tensor


def _free_names(graph: onnx.GraphProto, taken: set[str]) -> None:
    """Inner tensors that bear a new output's name step aside."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [_renamed(name, taken) for name in names]

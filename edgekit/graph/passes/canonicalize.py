"""Plain forms: one spelling each for slices, averages and outputs."""

from __future__ import annotations

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported

NHWC_PERM = [0, 2, 3, 1]


def split_as_slices(graph: FloatGraph) -> FloatGraph:
    """Split becomes one Slice per output, with plain attributes; ONNX Slice gets the same form."""
    nodes: list[FloatNode] = []
    for node in graph.nodes:
        if node.op == "Split":
            nodes += _slices_of_split(node, graph)
        elif node.op == "Slice":
            nodes.append(_plain_slice(node, graph))
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def _slices_of_split(node: FloatNode, graph: FloatGraph) -> list[FloatNode]:
    shape = graph.shapes[node.inputs[0]]
    axis = int(node.attrs.get("axis", 0)) % len(shape)
    sizes = node.attrs.get("split")
    if sizes is None and len(node.inputs) > 1:
        sizes = graph.constants[node.inputs[1]].tolist()
    sizes = sizes or [shape[axis] // len(node.outputs)] * len(node.outputs)
    ends = np.cumsum(sizes).tolist()
    return [
        FloatNode(
            f"{node.name}_{i}",
            "Slice",
            node.inputs[:1],
            (output,),
            {"axis": axis, "start": end - size, "end": end},
        )
        for i, (output, size, end) in enumerate(zip(node.outputs, sizes, ends, strict=True))
    ]


def _plain_slice(node: FloatNode, graph: FloatGraph) -> FloatNode:
    parts = [graph.constants.get(name) for name in node.inputs[1:] if name]
    if any(part is None or part.size != 1 for part in parts) or len(parts) < 2:
        raise unsupported(node, "slices several axes or with computed bounds")
    start, end, *rest = (int(part.item()) for part in parts if part is not None)
    shape = graph.shapes[node.inputs[0]]
    axis = (rest[0] if rest else 0) % len(shape)
    if len(rest) > 1 and rest[1] != 1:
        raise unsupported(node, f"slices with a step of {rest[1]}")
    start, end, _ = slice(start, end).indices(shape[axis])
    return FloatNode(node.name, "Slice", node.inputs[:1], node.outputs, {"axis": axis, "start": start, "end": end})


def average_as_conv(graph: FloatGraph) -> FloatGraph:
    """AveragePool becomes a depthwise convolution with equal weights; borders must count as zeros."""
    constants = dict(graph.constants)
    nodes = [_average(node, graph, constants) if node.op == "AveragePool" else node for node in graph.nodes]
    return graph.with_nodes(nodes, constants=constants)


def _average(node: FloatNode, graph: FloatGraph, constants: dict[str, np.ndarray]) -> FloatNode:
    kernel = list(node.attrs["kernel_shape"])
    pads = list(node.attrs.get("pads", [0] * 4))
    if node.attrs.get("auto_pad", "NOTSET") != "NOTSET" or node.attrs.get("ceil_mode", 0):
        raise unsupported(node, "uses auto_pad or ceil_mode")
    if any(pads) and not node.attrs.get("count_include_pad", 0):
        raise unsupported(node, "leaves padding out of the average (count_include_pad 0)")
    channels = graph.shapes[node.inputs[0]][1]
    name = f"{node.name}.weight"
    constants[name] = np.full((channels, 1, *kernel), 1.0 / np.prod(kernel), np.float32)
    attrs = {
        "kernel_shape": kernel,
        "pads": pads,
        "strides": list(node.attrs.get("strides", [1, 1])),
        "dilations": [1, 1],
        "group": channels,
        "average": 1,
    }
    return FloatNode(node.name, "Conv", (node.inputs[0], name), node.outputs, attrs)


def drop_head_transposes(graph: FloatGraph) -> FloatGraph:
    """The NCHW to NHWC Transpose before a graph output vanishes: integers are NHWC anyway.

    An output of other than four axes stays as it is.
    """
    producers = graph.producers()
    outputs: dict[str, str] = {}
    dropped: set[str] = set()
    for name, tensor in graph.outputs.items():
        node = producers.get(tensor)
        if node is not None and node.op == "Transpose" and list(node.attrs.get("perm", [])) == NHWC_PERM:
            outputs[name] = node.inputs[0]
            dropped.add(node.name)
        elif len(graph.shapes.get(tensor, ())) == 4:
            raise ModelError(
                f"output {name!r} does not end in a Transpose to NHWC, expected a cut heads model",
                hint="run edgekit cut on the stock export and compile its result",
            )
        else:
            outputs[name] = tensor
    return graph.with_nodes((n for n in graph.nodes if n.name not in dropped), outputs=outputs)


def drop_dead(graph: FloatGraph) -> FloatGraph:
    """Nodes that reach no output vanish."""
    alive = set(graph.outputs.values())
    kept: list[FloatNode] = []
    for node in reversed(graph.nodes):
        if alive.intersection(node.outputs):
            kept.append(node)
            alive.update(node.inputs)
    return graph.with_nodes(reversed(kept))

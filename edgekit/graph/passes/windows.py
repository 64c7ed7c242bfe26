"""Windows of convolutions and pools: explicit padding, and Pad nodes joined to what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported

WINDOWS = ("Conv", "MaxPool", "AveragePool")
LOWEST = -1e30  # a Pad of such a value never wins in a MaxPool


def explicit_pads(graph: FloatGraph) -> FloatGraph:
    """`auto_pad` becomes `pads`, as the sizes have it; `ceil_mode` goes where nothing is cut off."""
    return graph.with_nodes(_explicit(node, graph) if node.op in WINDOWS else node for node in graph.nodes)


def _explicit(node: FloatNode, graph: FloatGraph) -> FloatNode:
    before, after = (graph.shapes.get(name, ()) for name in (node.inputs[0], node.output))
    if len(before) != 4 or len(after) != 4:
        return node
    attrs = dict(node.attrs)
    mode = str(attrs.pop("auto_pad", "NOTSET"))
    kernel = list(attrs.get("kernel_shape") or graph.shapes[node.inputs[1]][2:])
    strides, dilations = (list(attrs.get(name) or [1, 1]) for name in ("strides", "dilations"))
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max(0, (out - 1) * step + window - size)
            for out, step, window, size in zip(after[2:], strides, reach, before[2:], strict=True)
        ]
        less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
        attrs["pads"] = less + more if mode == "SAME_UPPER" else more + less
    elif mode == "VALID":
        attrs["pads"] = [0] * 4
    if attrs.get("ceil_mode"):
        pads = list(attrs.get("pads") or [0] * 4)
        rests = [(size + pads[i] + pads[i + 2] - reach[i]) % strides[i] for i, size in enumerate(before[2:])]
        if not any(rests):
            attrs["ceil_mode"] = 0
    return replace(node, attrs=attrs)


def join_pads(graph: FloatGraph) -> FloatGraph:
    """A Pad of zeros joins the windows that read it, else becomes a convolution of ones, whose padding is zero.

    A convolution pads with zeros, an average counts zeros as taps where it says so, and a maximum ignores its padding:
    it takes a Pad of the lowest number alone.
    """
    constants, consumers = dict(graph.constants), graph.consumers()
    nodes = list(graph.nodes)
    for node in graph.nodes:
        if node.op != "Pad":
            continue
        pads, value = _pads_of(node, graph)
        readers = consumers.get(node.output, [])
        is_output = node.output in graph.outputs.values()
        if not any(pads):
            nodes[nodes.index(node)] = replace(node, op="Identity", inputs=node.inputs[:1], attrs={})
        elif readers and not is_output and all(_joins(reader, node, value) for reader in readers):
            nodes = [
                _joined(reader, node, pads) if reader.op in WINDOWS and reader.inputs[0] == node.output else reader
                for reader in nodes
                if reader is not node
            ]
        elif value == 0:
            nodes[nodes.index(node)] = _padding_conv(node, pads, graph, constants)
        else:
            raise unsupported(node, f"pads with {value:g}", "pad with zeros, or inside the convolution")
    return graph.with_nodes(nodes, constants=constants)


def _pads_of(node: FloatNode, graph: FloatGraph) -> tuple[list[int], float]:
    """(top, left, bottom, right) and the value."""
    mode = str(node.attrs.get("mode", "constant"))
    if mode != "constant":
        raise unsupported(node, f"pads by {mode!r}", "pad with zeros: the BPU has no other padding")
    names = [name for name in node.inputs[1:] if name]
    if any(name not in graph.constants for name in names):
        raise unsupported(node, "computes its padding")
    sides = graph.constants[names[0]].ravel().tolist() if names else list(node.attrs.get("pads", []))
    value = float(graph.constants[names[1]].ravel()[0]) if len(names) > 1 else float(node.attrs.get("value", 0.0))
    rank = len(graph.shapes.get(node.output, ()))
    if rank != 4 or len(sides) != 8 or any(sides[i] for i in (0, 1, 4, 5)) or min(sides) < 0:
        raise unsupported(node, f"pads by {sides}, not height and width of an image outwards")
    return [int(sides[i]) for i in (2, 3, 6, 7)], value


def _joins(reader: FloatNode, pad: FloatNode, value: float) -> bool:
    """Whether the padding of `reader` itself can stand for the Pad in front of it."""
    rule = JOINING.get(reader.op)
    return rule is not None and reader.inputs[0] == pad.output and rule(reader, value)


def _padded(reader: FloatNode) -> bool:
    return any(reader.attrs.get("pads") or [0])


JOINING: dict[str, Callable[[FloatNode, float], bool]] = {
    "Conv": lambda reader, value: value == 0,
    "MaxPool": lambda reader, value: value <= LOWEST,
    "AveragePool": lambda reader, value: (
        value == 0 and (bool(reader.attrs.get("count_include_pad", 0)) or not _padded(reader))
    ),
}


def _joined(reader: FloatNode, pad: FloatNode, pads: list[int]) -> FloatNode:
    own = list(reader.attrs.get("pads") or [0] * 4)
    attrs = {**reader.attrs, "pads": [a + b for a, b in zip(own, pads, strict=True)]}
    if reader.op == "AveragePool":
        attrs["count_include_pad"] = 1
    return replace(reader, inputs=(pad.inputs[0], *reader.inputs[1:]), attrs=attrs)


def _padding_conv(node: FloatNode, pads: list[int], graph: FloatGraph, constants: dict[str, np.ndarray]) -> FloatNode:
    channels = graph.shapes[node.output][1]
    weight = f"{node.name}.weight"
    constants[weight] = np.ones((channels, 1, 1, 1), np.float32)
    attrs = {"kernel_shape": [1, 1], "pads": pads, "strides": [1, 1], "dilations": [1, 1], "group": channels}
    return FloatNode(node.name, "Conv", (node.inputs[0], weight), node.outputs, attrs)

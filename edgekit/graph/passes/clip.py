"""Clip: bounds become the range of the tensor in front, where the board's compiler does the same.

What its compiler makes of a Clip was found by compiling: bounds of one size (and 0 to a bound behind convolutions)
cost nothing, because calibration sees the clipped values and integers saturate; other bounds become a table. But it
loses bounds of one size behind a function or a MaxPool, and beside other readers: those are refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatGraph, FloatNode, unsupported

BOUNDED_OPS = ("Conv", "ConvTranspose", "Add", "Sub", "Mul", "Concat")
RELU_OPS = ("Conv", "ConvTranspose")
PLACEMENT_HINT = "put the Clip right behind a convolution that nothing else reads, before its activation"


def absorb_clips(graph: FloatGraph) -> FloatGraph:
    """The operation in front of a Clip gives the clipped tensor; its integers saturate at the calibrated threshold."""
    nodes: list[FloatNode] = []
    for node in graph.nodes:
        if node.op != "Clip":
            nodes.append(node)
            continue
        low, high = clip_bounds(node, graph)
        before = next((n for n in nodes if node.inputs[0] in n.outputs), None)
        relu = low == 0.0 and before is not None and before.op in RELU_OPS
        if relu or low == -high:
            _check_absorbed(node, before, graph)
            assert before is not None
            activation = {"activation": "relu"} if relu else {}
            changed = replace(before, outputs=(node.output,), attrs={**before.attrs, **activation, "clip": node.name})
            nodes[nodes.index(before)] = changed
        else:
            attrs = {"function": "clip", "low": low, "high": high}
            nodes.append(FloatNode(node.name, "Table", node.inputs[:1], node.outputs, attrs))
    return graph.with_nodes(nodes)


def _check_absorbed(node: FloatNode, before: FloatNode | None, graph: FloatGraph) -> None:
    x, results = node.inputs[0], graph.outputs.values()
    if before is None or before.op not in BOUNDED_OPS:
        behind = f"{before.name!r} ({before.op})" if before else "the input"
        raise unsupported(node, f"stands behind {behind}, where the board's compiler drops it", PLACEMENT_HINT)
    if len(graph.consumers()[x]) > 1 or x in results:
        raise unsupported(node, f"is not the only one that reads {x!r}: the board's compiler drops it", PLACEMENT_HINT)
    if node.output in results:
        raise unsupported(node, "is an output, which keeps its accumulator's full range on the board", PLACEMENT_HINT)


def clip_bounds(node: FloatNode, graph: FloatGraph) -> tuple[float, float]:
    """(low, high) of a Clip, from its constants (opset 11) or its attributes; infinite where it has none."""
    bounds: list[float] = []
    for index, key, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        name = node.inputs[index] if len(node.inputs) > index else ""
        if name and name not in graph.constants:
            raise unsupported(node, "computes its bounds", "export constant bounds")
        value = graph.constants[name] if name else np.asarray(node.attrs.get(key, default))
        bounds.append(float(value.reshape(-1)[0]))
    low, high = bounds
    if not low < high:
        raise ModelError(
            f"node {node.name!r} (Clip) has the bounds {low:g} and {high:g}, expected the lower one first",
            hint="fix the Clip in the float model",
        )
    return low, high

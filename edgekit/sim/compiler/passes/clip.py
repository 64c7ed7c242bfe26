"""Clip: bounds become the range of the tensor in front, where the board's compiler does the same.

What its compiler makes of a Clip was found by compiling: behind a convolution, an Add or a Concat bounds of one size
(and 0 to a bound behind convolutions) cost nothing, other bounds become a table; behind a function or a MaxPool, or
beside other readers, the Clip is lost. What would be lost is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.errors import ModelError
from edgekit.sim.compiler.float_graph import FloatGraph, Node, unsupported

BOUNDED_OPS = ("Conv", "ConvTranspose", "Add", "Concat")  # those whose Clip the board's compiler respects
RELU_OPS = ("Conv", "ConvTranspose")
PLACE = "put the Clip right behind a convolution that nothing else reads, before its activation"


def absorb_clips(graph: FloatGraph) -> FloatGraph:
    """The operation in front of a Clip gives the clipped tensor; integers saturate at its calibrated threshold."""
    consumers, results = graph.consumers(), set(graph.outputs.values())
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op != "Clip":
            nodes.append(node)
            continue
        low, high = clip_bounds(node, graph)
        x = node.inputs[0]
        before = next((n for n in nodes if x in n.outputs), None)
        if before is None or before.op not in BOUNDED_OPS:
            behind = f"{before.name!r} ({before.op})" if before else "the input"
            raise unsupported(node, f"stands behind {behind}, where the board's compiler drops it", PLACE)
        if len(consumers[x]) > 1 or x in results:
            raise unsupported(node, f"is not the only one that reads {x!r}: the board's compiler drops it", PLACE)
        if node.output in results:
            raise unsupported(node, "is an output, which keeps its accumulator's full range on the board", PLACE)
        relu = low == 0.0 and before.op in RELU_OPS
        if relu or low == -high:
            activation = {"activation": "relu"} if relu else {}
            changed = replace(before, outputs=(node.output,), attrs={**before.attrs, **activation, "clip": node.name})
            nodes[nodes.index(before)] = changed
        else:
            attrs = {"function": "clip", "low": low, "high": high}
            nodes.append(Node(node.name, "Table", (x,), node.outputs, attrs))
    return graph.with_nodes(nodes)


def clip_bounds(node: Node, graph: FloatGraph) -> tuple[float, float]:
    """(low, high) of a Clip, from its constants (opset 11) or its attributes; infinite where it has none."""
    found: list[float] = []
    for index, key, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        name = node.inputs[index] if len(node.inputs) > index else ""
        if name and name not in graph.constants:
            raise unsupported(node, "computes its bounds", "export constant bounds")
        value = graph.constants[name] if name else np.asarray(node.attrs.get(key, default))
        found.append(float(value.reshape(-1)[0]))
    low, high = found
    if not low < high:
        raise ModelError(
            f"node {node.name!r} (Clip) has the bounds {low:g} and {high:g}, expected the lower one first",
            hint="mend the Clip in the float model",
        )
    return low, high

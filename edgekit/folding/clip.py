"""Clips behind convolutions and differences: thresholds of our choice, where the compiler reads thresholds from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from edgekit.errors import ConfigError, ModelError
from edgekit.folding.convolution import add_initializer, tensor_names
from edgekit.graph.onnx_graph import GraphIndex, index_graph

BOUNDED = ("Conv", "Sub")  # operations whose threshold both compilers take from a Clip behind them
CLIP_WITH_INPUTS = 11  # the opset since which Clip takes its bounds as inputs


def clip_outputs(model: onnx.ModelProto, bounds: Mapping[str, float]) -> onnx.ModelProto:
    """Return a copy of a model with the outputs of some Convs or Subs held within -bound .. bound.

    The clipped tensor takes the name, so that every reader (Sigmoid and Mul of a swish both) gets it; the
    node writes `<tensor>_unclipped`. The compiler takes this form, bounds as scalar float32 initializers, into the
    node's own threshold.

    Args:
        model: A float model.
        bounds: Output tensor of a Conv or Sub -> bound.

    Returns:
        The copy.

    Raises:
        ConfigError: For a graph output, a tensor that neither makes, and a bound that is not a positive finite float32.
        ModelError: For an opset below 11.
    """
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < CLIP_WITH_INPUTS:
        raise ModelError(
            f"opset {opset}, expected {CLIP_WITH_INPUTS} or later, whose Clip takes bounds as inputs",
            hint="cut the model again: edgekit cut writes opset 11",
        )
    index = index_graph(model)
    for name, bound in sorted(bounds.items()):
        _check(index, name, bound)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    taken = tensor_names(result) | {node.name for node in result.graph.node}
    nodes = []
    for node in result.graph.node:
        nodes.append(node)
        name = node.output[0] if node.output else ""
        if name in bounds:
            nodes.append(_clip(result, node, float(bounds[name]), taken))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]  # ours, before the graph lets go
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _clip(model: onnx.ModelProto, node: onnx.NodeProto, bound: float, taken: set[str]) -> onnx.NodeProto:
    """The Clip behind `node`, whose output it takes the name of."""
    name = node.output[0]
    unclipped, clip_name = f"{name}_unclipped", f"{name}_clip"
    for new in (unclipped, clip_name):
        if new in taken:
            raise ConfigError(f"bound of {name!r}: the name {new!r} is taken", hint="clip the model as it was cut")
    node.output[0] = unclipped
    low = add_initializer(model, f"{clip_name}_min", np.array(-bound, np.float32))
    high = add_initializer(model, f"{clip_name}_max", np.array(bound, np.float32))
    return helper.make_node("Clip", [unclipped, low, high], [name], name=clip_name)


def _check(index: GraphIndex, name: str, bound: float) -> None:
    node = index.producers.get(name)
    made_by = "nothing" if node is None else node.op_type
    if made_by not in BOUNDED:
        raise ConfigError(
            f"bound of {name!r}: made by {made_by}, expected a Conv or Sub",
            hint="name the node's own output, in the model as it was cut",
        )
    if name in index.output_names:
        raise ConfigError(
            f"bound of {name!r}: a graph output, expected a tensor inside the graph",
            hint="remove outputs: their range is the compiler's to choose",
        )
    if not 0 < np.float32(bound) < np.inf:
        raise ConfigError(
            f"bound of {name!r}: {bound!r}, expected a positive finite number",
            hint="take a percentile of the tensor's |values|",
        )

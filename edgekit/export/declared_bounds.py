"""Declared thresholds written into a cut graph: Clips behind convolutions, which every compiler reads as bounds.

The simulated compiler takes all thresholds from the graph's metadata. The vendor's calibrates on images and takes a
bound from the graph only where a Clip stands right behind a convolution and in front of its activation.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.graph.declared_quantization import DeclaredQuantization, declare
from edgekit.graph.onnx_graph import GraphIndex, index_graph

ACTIVATIONS = ("Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "HardSigmoid", "Elu", "Softplus")


def with_declared(
    model: onnx.ModelProto, declared: DeclaredQuantization
) -> tuple[onnx.ModelProto, DeclaredQuantization]:
    """Write what a cut graph's export declared into the graph.

    Args:
        model: The cut graph.
        declared: What its export said, of tensors that the cut left behind, too.

    Returns:
        A copy with bounds behind convolutions and the declaration in its metadata, and what applies to the cut graph.
    """
    index = index_graph(model)
    applying = DeclaredQuantization(
        {name: value for name, value in declared.thresholds.items() if name in index.producers},
        {name: scales for name, scales in declared.weight_scales.items() if name in index.constants},
    )
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes = []
    for node in result.graph.node:
        nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
        name = node.output[0] if node.output else ""
        if node.op_type == "Conv" and name in applying.thresholds and _is_boundable(index, name):
            nodes[-1].output[0] = f"{name}_unclipped"
            nodes.append(_clip(result, name, applying.thresholds[name]))
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    declare(result, applying)
    return result, applying


def _is_boundable(index: GraphIndex, name: str) -> bool:
    """Whether activations alone read a convolution's output: elsewhere the board's compiler drops a Clip."""
    readers = index.consumers.get(name, ())
    swished = {reader.output[0] for reader in readers if reader.op_type == "Sigmoid"}
    return (
        bool(readers)
        and name not in index.output_names
        and all(
            reader.op_type in ACTIVATIONS or (reader.op_type == "Mul" and set(reader.input) - {name} <= swished)
            for reader in readers
        )
    )


def _clip(model: onnx.ModelProto, name: str, bound: float) -> onnx.NodeProto:
    """The Clip that gives `name`, its bounds as scalar initializers, as the compilers absorb it."""
    low, high = f"{name}_clip_min", f"{name}_clip_max"
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in ((low, -bound), (high, bound))
    )
    return helper.make_node("Clip", [f"{name}_unclipped", low, high], [name], name=f"{name}_clip")

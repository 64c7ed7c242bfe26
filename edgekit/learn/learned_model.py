"""What was learned, written back into an ordinary ONNX: weights and biases of convolutions, bounds as Clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.folding.convolution import BIAS, WEIGHT, Convolution, read_convolution, set_constant
from edgekit.graph.attention import attention_sums
from edgekit.graph.float_graph import FloatGraph
from edgekit.graph.onnx_graph import index_graph

Weights = Mapping[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]  # node name -> (weight, bias)


def learnable_convolutions(model: onnx.ModelProto, graph: FloatGraph) -> frozenset[str]:
    """Return the names of the convolution nodes whose weights stand in the file as the compiler sees them.

    Args:
        model: The cut model.
        graph: The same, simplified; convolutions that it made or changed (a folded normalisation, an average) are not
            learned, nor are those that only sum up, in attention.
    """
    written, sums = _convolutions(model), attention_sums(graph)
    names = []
    for node in graph.nodes:
        convolution = written.get(node.name)
        if convolution is None or node.op != convolution.node.op_type:
            continue
        if node.output in sums:
            continue
        if np.array_equal(graph.constants[node.inputs[1]], convolution.weight):
            names.append(node.name)
    return frozenset(names)


def with_weights(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """Return a copy of `model` with other weights and biases.

    Args:
        model: The cut model.
        weights: Convolution's node name -> weight in ONNX's layout, and bias (O,).
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for name, convolution in _convolutions(result).items():
        if name in weights:
            weight, bias = (np.ascontiguousarray(values, np.float32) for values in weights[name])
            set_constant(result, convolution.node, WEIGHT, weight, f"{convolution.output}_weight")
            set_constant(result, convolution.node, BIAS, bias, f"{convolution.output}_bias")
    return result


def blended(original: onnx.ModelProto, learned: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """Return a copy of `original` whose weights and biases go a share of the way to those that were learned.

    Args:
        original: The cut model.
        learned: The same with learned weights and biases, as `with_weights` gives it.
        share: In 0..1.
    """
    first, second = _convolutions(original), _convolutions(learned)
    weights = {}
    for name, convolution in first.items():
        end = second[name]
        if end.bias is None:  # it was not learned
            continue
        bias = np.zeros_like(end.bias) if convolution.bias is None else convolution.bias
        pairs = ((convolution.weight, end.weight), (bias, end.bias))
        weight, moved = (np.asarray(a + share * (b - a), np.float32) for a, b in pairs)
        weights[name] = weight, moved
    return with_weights(original, weights)


def _convolutions(model: onnx.ModelProto) -> dict[str, Convolution]:
    """Node name -> its convolution; nodes without a name of their own are left out."""
    index = index_graph(model)
    read = [read_convolution(index, node) for node in model.graph.node]
    named = [(str(conv.node.name), conv) for conv in read if conv is not None and conv.node.name]
    counts = Counter(name for name, _ in named)
    return {name: convolution for name, convolution in named if counts[name] == 1}

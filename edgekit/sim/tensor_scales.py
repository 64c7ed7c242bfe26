"""The scale of every integer tensor: how much of the float model's value one step stands for.

A quantized graph states scales only at its ends (HzQuantize, HzDequantize, pixels). In between they follow from
the graph's own numbers: a convolution's output scale is input scale * weight scale * 2^shifts / scale, with the
weight scale from its thresholds; moving operators keep it; behind a table it is the one that fits its entries to
the function that it is named after. Next to the ends scales are exact to 1e-4; every table on the way adds its
rounding, which makes about one per cent in the middle of a deep model. To look at tensors, not to compute with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.bpu import INT_MAX
from edgekit.sim.graph import Graph
from edgekit.sim.node import Node
from edgekit.sim.ops.blocks import Regroup
from edgekit.sim.ops.conv import Conv
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.dequantize import Dequantize
from edgekit.sim.ops.elementwise_add import ElementwiseAdd
from edgekit.sim.ops.epilogue import Accumulator
from edgekit.sim.ops.layout import Concat, Reshape, Slice, Split, Transpose
from edgekit.sim.ops.lut import Lut
from edgekit.sim.ops.lut2layer import Lut2Layer
from edgekit.sim.ops.max_pool import MaxPool
from edgekit.sim.ops.maximum import Max, ReduceMax
from edgekit.sim.ops.quantize import Quantize
from edgekit.sim.ops.requantize import Requantize
from edgekit.sim.ops.upsample import Upsample

Scales = dict[str, np.ndarray]  # tensor -> (1,), or (C,) along the last axis
FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {  # by the name in the node's lut_type
    "exp": np.exp,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}
SAME_SCALE = (Regroup, Concat, Reshape, Slice, Split, Transpose, MaxPool, Max, ReduceMax, Upsample)
AGREEMENT = 1e-2  # how far channels may differ that must have one scale


def tensor_scales(graph: Graph) -> Mapping[str, np.ndarray]:
    """The scales that can be found, by tensor name: `values * scale` are floats of the float model.

    (1,) float64, or (C,) for accumulators with a scale per channel. Pixels have scale 1, around 128.
    """
    scales: Scales = {name: np.ones(1) for name, kind in graph.inputs.items() if kind.dtype == np.int8}
    while True:
        count = len(scales)
        for node in (*graph.nodes, *reversed(graph.nodes)):
            rule = next((rule for kinds, rule in RULES if isinstance(node.operator, kinds)), None)
            if rule:
                rule(node, scales)
        if len(scales) == count:
            return scales


def _set_scale(scales: Scales, name: str, scale: np.ndarray) -> None:
    if name not in scales and np.all(np.isfinite(scale)) and np.all(scale > 0):
        scales[name] = scale


def _common_scale(scale: np.ndarray) -> np.ndarray | None:
    """The common scale of all channels; None where they have none."""
    middle = np.median(scale)
    return np.array([middle]) if np.all(np.abs(scale / middle - 1) < AGREEMENT) else None


def _graph_ends(node: Node, scales: Scales) -> None:
    operator = node.operator
    if isinstance(operator, Quantize) and operator.scale.size == 1:
        _set_scale(scales, node.outputs[0], operator.scale.reshape(-1).astype(np.float64))
    if isinstance(operator, Dequantize) and (
        operator.scale.size == 1 or operator.axis == len(operator.outputs[0].shape) - 1
    ):
        _set_scale(scales, node.operands[0], operator.scale.astype(np.float64))


def _copied(node: Node, scales: Scales) -> None:
    names = (*node.operands, *node.outputs)
    scale = next((scales[name] for name in names if name in scales and scales[name].size == 1), None)
    for name in names if scale is not None else ():
        _set_scale(scales, name, scale)  # type: ignore[arg-type]


def _conv(node: Node, scales: Scales) -> None:
    factor = _conv_factor(node)
    if factor is None:
        return
    x, y = node.operands[0], node.outputs[0]
    accumulates = isinstance(node.operator.epilogue, Accumulator)  # type: ignore[attr-defined]
    if x in scales and scales[x].size == 1:
        scale = scales[x] * factor
        output_scale = scale if accumulates else _common_scale(scale)
        if output_scale is not None:
            _set_scale(scales, y, output_scale)
    elif y in scales:
        output_scale = _common_scale(scales[y] / factor)
        if output_scale is not None:
            _set_scale(scales, x, output_scale)


def _conv_factor(node: Node) -> np.ndarray | None:
    """Output scale over input scale, per channel."""
    thresholds = np.asarray(node.attributes.get("weight_thresholds", ()), np.float64)
    ending = node.operator.epilogue  # type: ignore[attr-defined]
    channels = node.operator.outputs[0].channels
    if thresholds.size not in (1, channels) or not np.all(thresholds > 0):
        return None
    weight_scale = np.broadcast_to(thresholds / INT_MAX[8], (channels,))
    if isinstance(ending, Accumulator):
        return weight_scale
    with np.errstate(divide="ignore"):
        factor: np.ndarray = weight_scale * np.exp2(ending.right_shift + ending.out_shift) / ending.scale
    return factor


def _table(node: Node, scales: Scales) -> None:
    """The output scale with which the table's entries come closest to its function."""
    function = FUNCTIONS.get(str(node.attributes.get("lut_type", "")))
    x = node.operands[0]
    if function is None or x not in scales or scales[x].size != 1 or node.outputs[0] in scales:
        return
    half_range = 1 << (7 if isinstance(node.operator, Lut) else 15)
    half_output = 1 << (node.operator.outputs[0].bits - 1)
    steps = (
        np.linspace(-half_range, half_range - 1, 256)
        .round()
        .astype(np.int8 if half_range == 128 else np.int16)
        .reshape(1, 1, 1, -1)
    )
    entries = node.operator.run(steps)[0].reshape(-1).astype(np.float64)
    unsaturated = (entries > -half_output) & (entries < half_output - 1) & (entries != 0)
    entries, expected = entries[unsaturated], function(steps.reshape(-1)[unsaturated] * scales[x])
    if entries.size > 1:
        _set_scale(scales, node.outputs[0], np.array([(expected * entries).sum() / (entries * entries).sum()]))


def _requantize(node: Node, scales: Scales) -> None:
    operator = node.operator
    assert isinstance(operator, Requantize)
    with np.errstate(divide="ignore"):
        factor = _common_scale(np.exp2(operator.right_shift) / operator.scale)
    if factor is not None:
        _related(node.operands[0], node.outputs[0], factor, scales)


def _add(node: Node, scales: Scales) -> None:
    operator = node.operator
    assert isinstance(operator, ElementwiseAdd)
    rescale = operator.rescale
    per_acc = np.exp2(operator.x_shift[:1].astype(np.float64))
    out = np.exp2(rescale.right_shift[:1] + rescale.out_shift[:1]) / rescale.scale[:1]
    extra = operator.e_scale[:1] * np.exp2(operator.e_shift[:1])
    _related(node.operands[0], node.outputs[0], out / per_acc, scales)
    _related(node.operands[1], node.outputs[0], out / extra, scales)


def _related(x: str, y: str, factor: np.ndarray, scales: Scales) -> None:
    """scale(y) = scale(x) * factor, whichever is known."""
    if x in scales and scales[x].size == 1:
        _set_scale(scales, y, scales[x] * factor)
    elif y in scales and scales[y].size == 1:
        _set_scale(scales, x, scales[y] / factor)


RULES: tuple[tuple[tuple[type, ...], Callable[[Node, Scales], None]], ...] = (
    ((Quantize, Dequantize), _graph_ends),
    ((Conv, ConvTranspose), _conv),
    ((Lut, Lut2Layer), _table),
    ((Requantize,), _requantize),
    ((ElementwiseAdd,), _add),
    (SAME_SCALE, _copied),
)

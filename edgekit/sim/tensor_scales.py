"""The unit of every integer tensor: how much of the float model's value one step stands for.

A quantized graph states units only at its ends (HzQuantize, HzDequantize, pixels). In between they follow from
the graph's own numbers: a convolution's output unit is input unit * weight unit * 2^shifts / scale, with the
weight unit from its thresholds; moving operators keep it; behind a table it is the one that fits its entries to
the function that it is named after. Next to the ends units are exact to 1e-4; every table on the way adds its
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

Units = dict[str, np.ndarray]  # tensor -> (1,), or (C,) along the last axis
FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {  # by the name in the node's lut_type
    "exp": np.exp,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}
SAME_UNIT = (Regroup, Concat, Reshape, Slice, Split, Transpose, MaxPool, Max, ReduceMax, Upsample)
AGREEMENT = 1e-2  # how far channels may differ that must have one unit


def tensor_units(graph: Graph) -> Mapping[str, np.ndarray]:
    """The units that can be found, by tensor name: `values * unit` are floats of the float model.

    (1,) float64, or (C,) for accumulators with a unit per channel. Pixels have unit 1, around 128.
    """
    units: Units = {name: np.ones(1) for name, kind in graph.inputs.items() if kind.dtype == np.int8}
    while True:
        known = len(units)
        for node in (*graph.nodes, *reversed(graph.nodes)):
            rule = next((rule for kinds, rule in RULES if isinstance(node.operator, kinds)), None)
            if rule:
                rule(node, units)
        if len(units) == known:
            return units


def _set(units: Units, name: str, unit: np.ndarray) -> None:
    if name not in units and np.all(np.isfinite(unit)) and np.all(unit > 0):
        units[name] = unit


def _one(unit: np.ndarray) -> np.ndarray | None:
    """The common unit of all channels; None where they have none."""
    middle = np.median(unit)
    return np.array([middle]) if np.all(np.abs(unit / middle - 1) < AGREEMENT) else None


def _ends(node: Node, units: Units) -> None:
    operator = node.operator
    if isinstance(operator, Quantize) and operator.scale.size == 1:
        _set(units, node.outputs[0], operator.scale.reshape(-1).astype(np.float64))
    if isinstance(operator, Dequantize) and (
        operator.scale.size == 1 or operator.axis == len(operator.outputs[0].shape) - 1
    ):
        _set(units, node.operands[0], operator.scale.astype(np.float64))


def _same(node: Node, units: Units) -> None:
    names = (*node.operands, *node.outputs)
    unit = next((units[name] for name in names if name in units and units[name].size == 1), None)
    for name in names if unit is not None else ():
        _set(units, name, unit)  # type: ignore[arg-type]


def _conv(node: Node, units: Units) -> None:
    factor = _conv_factor(node)
    if factor is None:
        return
    x, y = node.operands[0], node.outputs[0]
    accumulates = isinstance(node.operator.epilogue, Accumulator)  # type: ignore[attr-defined]
    if x in units and units[x].size == 1:
        unit = units[x] * factor
        found = unit if accumulates else _one(unit)
        if found is not None:
            _set(units, y, found)
    elif y in units:
        found = _one(units[y] / factor)
        if found is not None:
            _set(units, x, found)


def _conv_factor(node: Node) -> np.ndarray | None:
    """Output unit over input unit, per channel."""
    thresholds = np.asarray(node.attributes.get("weight_thresholds", ()), np.float64)
    ending = node.operator.epilogue  # type: ignore[attr-defined]
    channels = node.operator.outputs[0].channels
    if thresholds.size not in (1, channels) or not np.all(thresholds > 0):
        return None
    weight_unit = np.broadcast_to(thresholds / INT_MAX[8], (channels,))
    if isinstance(ending, Accumulator):
        return weight_unit
    with np.errstate(divide="ignore"):
        factor: np.ndarray = weight_unit * np.exp2(ending.right_shift + ending.out_shift) / ending.scale
    return factor


def _table(node: Node, units: Units) -> None:
    """The output unit with which the table's entries come closest to its function."""
    function = FUNCTIONS.get(str(node.attributes.get("lut_type", "")))
    x = node.operands[0]
    if function is None or x not in units or units[x].size != 1 or node.outputs[0] in units:
        return
    reach = 1 << (7 if isinstance(node.operator, Lut) else 15)
    limit = 1 << (node.operator.outputs[0].bits - 1)
    steps = (
        np.linspace(-reach, reach - 1, 256).round().astype(np.int8 if reach == 128 else np.int16).reshape(1, 1, 1, -1)
    )
    entries = node.operator.run(steps)[0].reshape(-1).astype(np.float64)
    free = (entries > -limit) & (entries < limit - 1) & (entries != 0)
    entries, wanted = entries[free], function(steps.reshape(-1)[free] * units[x])
    if entries.size > 1:
        _set(units, node.outputs[0], np.array([(wanted * entries).sum() / (entries * entries).sum()]))


def _requantize(node: Node, units: Units) -> None:
    operator = node.operator
    assert isinstance(operator, Requantize)
    with np.errstate(divide="ignore"):
        factor = _one(np.exp2(operator.right_shift) / operator.scale)
    if factor is not None:
        _related(node.operands[0], node.outputs[0], factor, units)


def _add(node: Node, units: Units) -> None:
    operator = node.operator
    assert isinstance(operator, ElementwiseAdd)
    rescale = operator.rescale
    per_acc = np.exp2(operator.x_shift[:1].astype(np.float64))
    out = np.exp2(rescale.right_shift[:1] + rescale.out_shift[:1]) / rescale.scale[:1]
    extra = operator.e_scale[:1] * np.exp2(operator.e_shift[:1])
    _related(node.operands[0], node.outputs[0], out / per_acc, units)
    _related(node.operands[1], node.outputs[0], out / extra, units)


def _related(x: str, y: str, factor: np.ndarray, units: Units) -> None:
    """unit(y) = unit(x) * factor, whichever is known."""
    if x in units and units[x].size == 1:
        _set(units, y, units[x] * factor)
    elif y in units and units[y].size == 1:
        _set(units, x, units[y] / factor)


RULES: tuple[tuple[tuple[type, ...], Callable[[Node, Units], None]], ...] = (
    ((Quantize, Dequantize), _ends),
    ((Conv, ConvTranspose), _conv),
    ((Lut, Lut2Layer), _table),
    ((Requantize,), _requantize),
    ((ElementwiseAdd,), _add),
    (SAME_UNIT, _same),
)

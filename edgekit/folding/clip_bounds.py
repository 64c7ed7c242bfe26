"""Bounds for convolutions by their positive side: an activation that is flat below zero needs no range there.

A SiLU maps everything below about -4 to nearly nothing. An int8 range that covers the negative side spends its steps on
values that the activation throws away, so the range is taken from the positive side alone and written as a Clip behind
the convolution, which both compilers absorb into the convolution's own scale.

The exponential of attention is flat in the same way: of a difference from the maximum below -5.5 int8 keeps nothing,
while the differences reach down to -30. But calibration sees what the Clip leaves of them, for every key: with 400 keys
bounded at -5.5 the sum never falls below 2.6, and 1 / root(sum) found no larger than .62 saturates for every query that
looks at one place, whose sum is 1 in int8. Bounded where all keys together add next to nothing (-9.9), yolo11n loses
.51 where it lost .62.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.attention import attention_differences
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.thresholds import percentile_threshold
from edgekit.sim.compiler.emit.lut import Function, table_function
from edgekit.sim.compiler.scales import ScalePlan, keeps_scale

__all__ = ["FLAT_BELOW_ZERO", "FRACTIONS", "boundable", "clipped_thresholds", "positive_bounds"]

if TYPE_CHECKING:
    from edgekit.sim.compiler.calibration.search import Thresholds

FLAT_BELOW_ZERO = ("swish", "hard_swish", "softplus", "elu")  # table functions that are nearly constant below -4
FLAT_FROM = 4.0  # a bound is not smaller: the activation's negative lobe stays inside the range
KEYS_SHARE = 0.02  # of the maximum's exponential: what those of all other keys may add up to at the bound
KEYS_AXIS = 1  # of the differences, (1, keys, heads, queries)
FRACTIONS = (1.0, 0.99999, 0.9999, 0.9995)  # percentiles of the positive side that are tried for all at once
GRID = 4001  # points between -bound and bound at which a function is looked at
BISECTIONS = 40  # of the range in which a function is inverted


def boundable(graph: FloatGraph, plan: ScalePlan) -> dict[str, str]:
    """Return the tensors whose range the function behind them needs only in part.

    Args:
        graph: The simplified float graph.
        plan: Which tensors share a scale.

    Returns:
        Output tensor of a convolution -> output tensor of the activation that alone reads it; and the differences from
        the maximum -> their exponential, in attention whose division is split. Tensors whose scale is shared, or that a
        Clip bounds already, are left out.
    """
    readers, differences = graph.consumers(), attention_differences(graph)
    result: dict[str, str] = {}
    for node in graph.nodes:
        behind = readers.get(node.output, [])
        if "clip" in node.attrs or [reader.op for reader in behind] != ["Table"]:
            continue
        is_flat = node.op == "Conv" and behind[0].attrs["function"] in FLAT_BELOW_ZERO
        if (is_flat or node.output in differences) and plan.source.get(node.output) == node.output:
            result[node.output] = behind[0].output
    return result


def positive_bounds(
    histograms: Mapping[str, Histogram], graph: FloatGraph, plan: ScalePlan, *, fraction: float
) -> dict[str, float]:
    """Return a bound per convolution: the percentile of its positive side, wide enough for the negative lobe.

    The activation grows with its input and its negative lobe is small, so that a percentile of what it gives is the
    image of the same percentile of what it reads: the statistics of a usual calibration are enough. Differences from a
    maximum are bounded where their exponentials together show no more, whatever the fraction.

    Args:
        histograms: Histograms of |x|, of the convolutions' outputs and of the activations behind them.
        graph: The simplified float graph.
        plan: Which tensors share a scale.
        fraction: The share of all elements that the bound covers, in 0..1.

    Returns:
        Tensor -> bound above zero. Tensors that never leave -bound .. bound are left out: a Clip would do
        nothing.
    """
    producers, differences = graph.producers(), attention_differences(graph)
    bounds: dict[str, float] = {}
    for tensor, activated in boundable(graph, plan).items():
        largest = histograms[tensor].largest
        if tensor in differences:
            bound = math.log(graph.shapes[tensor][KEYS_AXIS] / KEYS_SHARE)
        else:
            image = percentile_threshold(histograms[activated], fraction=fraction)
            bound = max(_inverse(table_function(producers[activated]), image, largest), FLAT_FROM)
        if bound < largest:
            bounds[tensor] = bound
    return bounds


def _inverse(function: Function, image: float, largest: float) -> float:
    """The positive x up to `largest` whose image under a growing function is `image`."""
    low, high = 0.0, largest
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if float(function(np.asarray(middle))) >= image else (middle, high)
    return high


def clipped_thresholds(
    thresholds: Mapping[str, float], bounds: Mapping[str, float], graph: FloatGraph, plan: ScalePlan
) -> Thresholds:
    """Return the thresholds that calibration would find behind Clips.

    A table reaches as far as its function of the bound; a Concat as its largest branch; a sum at most as its terms
    together.

    Args:
        thresholds: Threshold per scale without the Clips.
        bounds: Tensor -> bound, as `positive_bounds` gives them.
        graph: The simplified float graph.
        plan: Which tensors share a scale.

    Returns:
        The thresholds, with those brought down that the bounds keep their tensors from reaching.
    """
    reach: dict[str, float] = {}
    for node in graph.nodes:
        inputs = [reach.get(name) for name in node.inputs if name not in graph.constants]
        known = [value for value in inputs if value is not None]
        derived = _reach(node, known) if known and len(known) == len(inputs) else None
        for name in node.outputs:
            value = bounds.get(name, derived)
            if value is not None:
                reach[name] = value
    return {source: min(value, reach.get(source, value)) for source, value in thresholds.items()}


def _reach(node: FloatNode, inputs: Sequence[float]) -> float | None:
    """The largest magnitude of the node's result when its inputs stay within theirs; None where that is not known."""
    if node.op == "Table" and not keeps_scale(node):
        return float(np.abs(table_function(node)(np.linspace(-inputs[0], inputs[0], GRID))).max())
    if keeps_scale(node):
        return inputs[0]
    if node.op == "Scale":
        return inputs[0] * float(node.attrs["alpha"])
    if node.op == "Concat":
        return max(inputs)
    return sum(inputs) if node.op in ("Add", "Sub") else None

"""Microseconds of one layer on the BPU, without memory."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.latency.features import features, group_of
from edgekit.latency.layer import Layer
from edgekit.latency.parameters import LatencyParameters

__all__ = ["LEAST_US", "UNKNOWN", "compute_us", "factors_of", "kin_of"]

LEAST_US = 0.3  # of any layer that the BPU starts
UNKNOWN_FACTOR = 2.0  # passes through the vector unit that an operation without fitted factors counts as
UNKNOWN: Mapping[str, float] = {"out": UNKNOWN_FACTOR, "start": LEAST_US}


def compute_us(layer: Layer, parameters: LatencyParameters) -> float:
    """Return the layer's time where its operands lie on the chip already; 0 for what the CPU does."""
    if layer.on_cpu:
        return 0.0
    counts = features(layer)
    factors, _ = factors_of(layer, parameters)
    return max(LEAST_US, sum(factor * counts.get(name, 0.0) for name, factor in factors.items()))


def factors_of(layer: Layer, parameters: LatencyParameters) -> tuple[Mapping[str, float], bool]:
    """Return the factors of the layer's group, and whether it was seen in the fit.

    A group that was not seen takes the factors of its next of kin: the same operation in 8 bits, then the plain
    one, whose features count bytes and products; an operation that was never seen passes through the vector unit twice.
    """
    name = group_of(layer)
    nearest = next((kin for kin in kin_of(name) if kin in parameters.groups), None)
    return (parameters.groups[nearest] if nearest else UNKNOWN), nearest == name


def kin_of(group: str) -> tuple[str, ...]:
    """Return the group and those whose factors stand in for it, the nearest first."""
    return group, group.removesuffix(" int16"), group.partition(" ")[0]

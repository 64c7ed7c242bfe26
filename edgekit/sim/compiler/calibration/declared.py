"""Thresholds that the model brings along, as thresholds of the scales that its tensors share."""

from __future__ import annotations

from edgekit.graph.declared_quantization import DeclaredQuantization
from edgekit.sim.compiler.scales import ScalePlan


def declared_thresholds(declared: DeclaredQuantization, plan: ScalePlan) -> dict[str, float]:
    """Return a threshold per scale that the model declares one for.

    The tensor that decides a scale speaks for all that share it; where the model says nothing of that one, the largest
    of the others does.

    Args:
        declared: Of tensors of the float graph.
        plan: Which tensors share a scale.
    """
    result: dict[str, float] = {}
    for tensor, source in plan.source.items():
        if tensor in declared.thresholds and source not in declared.thresholds:
            result[source] = max(declared.thresholds[tensor] / plan.factor[tensor], result.get(source, 0.0))
    own = {source: declared.thresholds[source] for source in plan.observed if source in declared.thresholds}
    return result | own

"""From the bounds that are learned to a threshold per scale: what calibration would find behind the Clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edgekit.folding.clip_bounds import FLAT_BELOW_ZERO
from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.learn.operations import TABLES
from edgekit.sim.compiler.emit.lut import table_function
from edgekit.sim.compiler.scales import ScalePlan, keeps_scale

NEGATIVE = np.linspace(-20, 0, 2001)  # where the activations' negative lobes lie


class RangeRules:
    """How far every tensor reaches when some convolutions are bounded.

    An activation of a bounded convolution reaches to the bound's image; a Concat to the largest of its branches; a sum
    at most to the sum of its terms. Nothing reaches further than calibration saw.

    Args:
        graph: The simplified float graph.
        plan: Which tensors share a scale.
        largest: How far each observed tensor reaches over the calibration set.
    """

    def __init__(self, graph: FloatGraph, plan: ScalePlan, largest: Mapping[str, float]) -> None:
        self._graph, self._plan, self._largest = graph, plan, largest
        self._lobes = {node.name: _negative_lobe(node) for node in graph.nodes if _is_flat(node)}

    def thresholds(self, bounds: Mapping[str, Any]) -> dict[str, Any]:
        """Return a scalar tensor per scale.

        Args:
            bounds: Convolution output -> scalar tensor above zero.
        """
        device = next(iter(bounds.values())).device if bounds else None
        reach: dict[str, Any] = {}
        for node in self._graph.nodes:
            for name in node.outputs:
                reach[name] = bounds[name] if name in bounds else self._reach(node, reach)
        thresholds: dict[str, Any] = {}
        for source in self._plan.observed:
            value = reach.get(source)
            known = torch.as_tensor(self._largest[source], dtype=torch.float32, device=device)
            thresholds[source] = known if value is None else torch.minimum(value, known)
        return thresholds

    def _reach(self, node: FloatNode, reach: Mapping[str, Any]) -> Any:
        """How far the node's result reaches; None where nothing bounds it."""
        inputs = [reach.get(name) for name in node.inputs if name not in self._graph.constants]
        if not inputs or any(value is None for value in inputs):
            return None
        if node.name in self._lobes:
            return TABLES[node.attrs["function"]](inputs[0], node.attrs).clamp_min(self._lobes[node.name])
        if keeps_scale(node):
            return inputs[0]
        if node.op == "Scale":
            return inputs[0] * node.attrs["alpha"]
        if node.op == "Concat":
            return torch.stack(inputs).amax()
        if node.op in ("Add", "Sub"):
            return torch.stack(inputs).sum()
        return None


def _is_flat(node: FloatNode) -> bool:
    return node.op == "Table" and node.attrs["function"] in FLAT_BELOW_ZERO


def _negative_lobe(node: FloatNode) -> float:
    """The largest magnitude that the activation gives for negative inputs."""
    return float(np.abs(table_function(node)(NEGATIVE)).max())

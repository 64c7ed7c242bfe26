"""The float graph as torch runs it: as it is, or with every tensor rounded where and as the compilers round it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from edgekit.graph.float_graph import FloatGraph, FloatNode
from edgekit.graph.passes.fuse import fuse_softmax
from edgekit.learn.fake_quantization import round_to_grid
from edgekit.learn.operations import OPERATIONS, WEIGHTED, check_operations, convolve
from edgekit.sim.compiler.scales import ScalePlan, keeps_scale

Weights = Mapping[str, tuple[Any, Any]]  # convolution's node name -> (weight, bias or None)


class Network:
    """An interpreter of one simplified float graph; a Softmax whose division is not split is computed in floats.

    Args:
        graph: The simplified float graph, as `prepare_model` gives it.
        plan: Which tensors share a scale, and their bit widths.

    Raises:
        ModelError: The graph has an operation without a form here.
    """

    def __init__(self, graph: FloatGraph, plan: ScalePlan) -> None:
        self.graph, self.plan = fuse_softmax(graph), plan
        check_operations(self.graph)
        self._last_reader = {name: node.name for node in self.graph.nodes for name in node.inputs}
        self._kept = set(self.graph.outputs.values())

    def constant_weights(self, device: Any) -> dict[str, tuple[Any, Any]]:
        """Return every convolution's weight and bias as the file has them, on `device`."""
        constants = self.graph.constants

        def tensor(name: str) -> Any:
            return torch.tensor(constants[name], dtype=torch.float32, device=device)

        return {
            node.name: (tensor(node.inputs[1]), tensor(node.inputs[2]) if len(node.inputs) > 2 else None)
            for node in self.graph.nodes
            if node.op in WEIGHTED
        }

    def run(self, x: Any, weights: Weights, thresholds: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run one image.

        Args:
            x: (1, C, H, W) float32, the float model's input.
            weights: Per convolution, already rounded where they are to be.
            thresholds: Scalar tensor per scale (`plan.observed`); None runs in float.

        Returns:
            Output name -> its tensor, NHWC where it has four axes, else as it is.
        """
        values = {self.graph.input: self._rounded(self.graph.input, x, thresholds)}
        for node in self.graph.nodes:
            y = self._result(node, values, weights)
            rounds = thresholds is not None and not keeps_scale(node) and node.op != "Scale"
            values[node.output] = self._rounded(node.output, y, thresholds) if rounds else y
            for name in node.inputs:
                if self._last_reader.get(name) == node.name and name not in self._kept:
                    values.pop(name, None)
        return {name: _as_nhwc(values[tensor]) for name, tensor in self.graph.outputs.items()}

    def _result(self, node: FloatNode, values: Mapping[str, Any], weights: Weights) -> Any:
        if node.op in WEIGHTED:
            return convolve(node, values[node.inputs[0]], *weights[node.name])
        inputs = [values[name] for name in node.inputs if name in values]
        return OPERATIONS[node.op](node, inputs, self.graph.shapes[node.output])

    def _rounded(self, tensor: str, x: Any, thresholds: Mapping[str, Any] | None) -> Any:
        """`x` on its tensor's grid; accumulators, which have none, as they are."""
        if thresholds is None or tensor not in self.plan.source:
            return x
        return round_to_grid(x, self._threshold(tensor, thresholds), bits=self.plan.bits[tensor])

    def _threshold(self, tensor: str, thresholds: Mapping[str, Any]) -> Any:
        return thresholds[self.plan.source[tensor]] * self.plan.factor[tensor]


def _as_nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x

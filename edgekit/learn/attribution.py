"""What every rounded tensor adds to the loss, all of them from one gradient per image.

With small errors the root of the loss is homogeneous of degree one in them: by Euler's theorem the products of each
tensor's error and the gradient there sum up to it. One backward pass thus shares the loss out among all tensors, where
promoting them one by one takes a run over every image for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgekit.graph.float_graph import FloatGraph
from edgekit.learn.losses import output_losses, total_loss
from edgekit.learn.network import Network
from edgekit.learn.parameters import TrainedParameters
from edgekit.sim.compiler.prepared_model import PreparedModel
from edgekit.sim.compiler.scales import ScalePlan
from edgekit.spec import ModelSpec

__all__ = ["Attributor"]

LEAST_LOSS = 1e-6  # below it the root has no useful gradient


class Attributor:
    """Shares the loss of a build among its rounded tensors.

    Args:
        model: The build's prepared model, with its bit widths.
        thresholds: Threshold per scale.
        original: The prepared model whose float outputs are the truth.
        spec: The sidecar; it says which output is what.
    """

    def __init__(
        self, model: PreparedModel, thresholds: Mapping[str, float], original: PreparedModel, spec: ModelSpec
    ) -> None:
        self._network, self._spec = _AttributedNetwork(model.graph, model.plan), spec
        self._weights = TrainedParameters(self._network, frozenset(), {}, "cpu").rounded_weights()
        self._thresholds = {name: torch.tensor(value, dtype=torch.float32) for name, value in thresholds.items()}
        self._original = Network(original.graph, original.plan)
        self._truth_weights = self._original.constant_weights("cpu")

    def __call__(self, x: npt.NDArray[np.float32]) -> dict[str, tuple[float, float]]:
        """Share out the root of one image's loss.

        Args:
            x: (1, C, H, W) float32, the float model's input.

        Returns:
            Tensor -> (its rounding's part, its saturation's part), in the unit of the root; parts can be negative,
            where an error makes up for others.
        """
        pixels = torch.from_numpy(x)
        with torch.no_grad():
            truth = self._original.run(pixels, self._truth_weights)
        self._network.parts.clear()
        outputs = self._network.run(pixels.requires_grad_(), self._weights, self._thresholds)
        total_loss(output_losses(self._spec, truth, outputs)).clamp_min(LEAST_LOSS).sqrt().backward()
        return {name: (float(parts[0]), float(parts[1])) for name, parts in self._network.parts.items()}


class _AttributedNetwork(Network):
    """A network whose roundings add their error times its gradient to `parts` during the backward pass."""

    def __init__(self, graph: FloatGraph, plan: ScalePlan) -> None:
        super().__init__(graph, plan)
        self.parts: dict[str, npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))

    def _rounded(self, tensor: str, x: Any, thresholds: Mapping[str, Any] | None) -> Any:
        rounded = super()._rounded(tensor, x, thresholds)
        if thresholds is None or rounded is x:
            return rounded
        return _ErrorParts.apply(rounded, x.detach(), self._threshold(tensor, thresholds), self.parts[tensor])


class _ErrorParts(torch.autograd.Function):  # type: ignore[misc]
    """The identity; backward adds the (rounding, saturation) parts of error times gradient to `parts`."""

    @staticmethod
    def forward(ctx: Any, rounded: Any, x: Any, threshold: Any, parts: npt.NDArray[np.float64]) -> Any:
        ctx.save_for_backward(rounded, x, threshold)
        ctx.parts = parts
        return rounded.view_as(rounded)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> tuple[Any, None, None, None]:
        rounded, x, threshold = ctx.saved_tensors
        products = (rounded - x).mul_(gradient)
        total, rounding = float(products.sum()), float(products.mul_(x.abs() <= threshold).sum())
        ctx.parts += (rounding, total - rounding)
        return gradient, None, None, None

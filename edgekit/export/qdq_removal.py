"""A Q/DQ graph in work: what its pairs stand for, collected node by node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from edgekit.graph.onnx_graph import GraphIndex

__all__ = ["Removal"]

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Removal:
    """The graph while its pairs are taken out.

    Attributes:
        index: Of the graph.
        size_wh: Of the image; None where it is not fixed.
        alias: Tensor of a pair -> the float tensor that it stands for.
        constants: Weights, dequantized.
        thresholds: Float tensor -> the largest magnitude that its integers stand for.
        weight_scales: Dequantized weight -> the value of its integer 1, one or per channel.
        relus: Float tensor that a pair cuts off at zero -> name of the Relu that would do it.
    """

    index: GraphIndex
    size_wh: tuple[int, int] | None
    alias: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    weight_scales: dict[str, tuple[float, ...]] = field(default_factory=dict)
    relus: dict[str, str] = field(default_factory=dict)

    def source(self, name: str) -> str:
        """Return the float tensor that a tensor of a pair stands for; any other is itself."""
        while name in self.alias:
            name = self.alias[name]
        return name

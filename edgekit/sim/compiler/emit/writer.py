"""The integer graph under construction: nodes, initializers, and the layout and scale of every tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.graph.float_graph import FloatGraph
from edgekit.sim.compiler.scales import ScalePlan

if TYPE_CHECKING:
    import onnx

NHWC, NCHW = "NHWC", "NCHW"  # NCHW stands for "axes as in the float model", whatever the rank
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
NHWC_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}  # float model's axis -> axis of the NHWC tensor


@dataclass(frozen=True, slots=True)
class TensorMapping:
    """What an integer tensor stands for: the float tensor, its axis order here, and the float value of 1.

    `scale` is one number, or one per channel along the last axis (int32 heads).
    """

    float_name: str
    layout: str
    scale: np.ndarray


class GraphWriter:
    """Collects the nodes of the integer graph in running order.

    `read` and `write` give the integer tensor's name for a float tensor's name; where a reader wants another
    layout than the one written, a Transpose goes in between, once.
    """

    def __init__(self, graph: FloatGraph, plan: ScalePlan, scales: Mapping[str, float]) -> None:
        self.graph = graph
        self.plan = plan
        self.scales = scales
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.mappings: dict[str, TensorMapping] = {}  # by integer tensor, where it stands for a float tensor
        self.input_of: dict[str, str] = {}  # integer node -> the float tensor it reads first
        self._written: dict[str, str] = {}  # float tensor -> the layout it was written in
        self._layouts: dict[tuple[str, str], str] = {}  # (float tensor, layout) -> integer tensor

    def scale(self, tensor: str) -> float:
        """Return the planned scale of a float tensor: the float value of its integer 1."""
        return self.scales[tensor]

    def bits(self, tensor: str) -> int:
        """Return the bit width of a float tensor's integers."""
        return self.plan.bits[tensor]

    def channels(self, tensor: str) -> int:
        """Return the channels of a float tensor (NCHW)."""
        return self.graph.shapes[tensor][1]

    def rank(self, tensor: str) -> int:
        """Return the number of axes of a float tensor."""
        return len(self.graph.shapes[tensor])

    def layout(self, tensor: str) -> str:
        """The layout in which `tensor` was written."""
        return self._written[tensor]

    def read(self, tensor: str, layout: str = NHWC) -> str:
        """The integer tensor that holds `tensor` in `layout`."""
        if (tensor, layout) not in self._layouts:
            written = self._layouts[tensor, self.layout(tensor)]
            perm = TO_NHWC if layout == NHWC else TO_NCHW
            name = f"{written}_{layout.lower()}"
            self.add("Transpose", f"{tensor}_to_{layout.lower()}", [written], [name], domain="", perm=perm)
            self._layouts[tensor, layout] = name
        return self._layouts[tensor, layout]

    def write(
        self, tensor: str, layout: str = NHWC, *, name: str = "", accumulator_scale: np.ndarray | None = None
    ) -> str:
        """The name of the integer tensor for `tensor`, which the caller now makes in `layout`.

        `accumulator_scale` is needed for accumulators only; other tensors have their planned scale.
        """
        quantized = name or f"{tensor}_quantized"
        self._layouts[tensor, layout] = quantized
        self._written[tensor] = layout
        scale = np.array([self.scale(tensor)]) if accumulator_scale is None else accumulator_scale
        if tensor not in self.graph.made:
            self.mappings.setdefault(quantized, TensorMapping(tensor, layout, scale.astype(np.float32)))
        return quantized

    def tensor_scale(self, tensor: str) -> np.ndarray:
        """The float value of the integer 1 of `tensor`: (1,) or (C,) float32."""
        if tensor in self.scales:  # a Scale's result has the integers of its input and a scale of its own
            return np.array([self.scale(tensor)], np.float32)
        return self.mappings[self._layouts[tensor, self.layout(tensor)]].scale

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add an initializer; return its name."""
        self.initializers[name] = value
        return name

    def add(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        reads: str = "",
        domain: str = "horizon",
        **attrs: Any,
    ) -> None:
        """Append a node; `reads` is the float tensor whose threshold the report shows for it."""
        from onnx import helper

        if domain == "horizon" and op not in ("HzDequantize", "HzQuantize"):
            attrs["data_format"] = NHWC
        plain = {key: _plain(value) for key, value in attrs.items()}
        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), name, domain=domain, **plain))
        if reads:
            self.input_of[name] = reads


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value

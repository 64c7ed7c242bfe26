"""What a graph may cost: work and memory, added up and checked before anything is computed or allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from edgekit.errors import ConfigError, ModelError
from edgekit.sim.tensor import TensorType

MAX_WORK = 1 << 40  # element operations; yolov8n-seg at 640 has 6e9, yolov8x at 1280 about 5e11
MAX_BYTES = 1 << 31  # of all tensors together; yolov8x at 1280 has 1.2e9
MAX_TENSOR = 1 << 27  # elements of one tensor: 1280 x 1280 x 64 has 1.05e8
TAP_WORK = 1 << 16  # the reference takes one numpy call per tap of a window, however small the tensors
VARIABLE = "EDGEKIT_GRAPH_LIMIT"  # a factor on all three limits


class Budget:
    """Adds up what the nodes of one graph cost; raises ModelError as soon as a limit is passed."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.factor = _factor()
        self.work = self.bytes = 0

    def spend(self, node: str, outputs: Sequence[TensorType], work: int) -> None:
        """Add a node's `work` (element operations) and the memory of its `outputs`."""
        self.work += work
        self.bytes += sum(output.size * output.dtype.itemsize for output in outputs)
        largest = max((output.size for output in outputs), default=0)
        self._require(node, largest, MAX_TENSOR, "elements in one tensor")
        self._require(node, self.work, MAX_WORK, "element operations")
        self._require(node, self.bytes, MAX_BYTES, "bytes of tensors")

    def _require(self, node: str, value: int, limit: int, what: str) -> None:
        allowed = limit * self.factor
        if value > allowed:
            raise ModelError(
                f"{self.place} needs {value:.3g} {what} up to node {node!r}, expected at most {allowed:.3g}",
                hint=f"if the graph is really that large, set {VARIABLE}={math.ceil(value / limit)} and run again",
            )


def window_work(elements: int, taps: int, channels: int = 1) -> int:
    """Element operations of a window of `taps` positions that reads `channels` at each, for `elements` results."""
    return taps * (elements * channels + TAP_WORK)


def operator_work(operator: Any, operands: Sequence[TensorType]) -> int:
    """Element operations of one run of an operator of `edgekit.sim.ops`."""
    made = sum(output.size for output in operator.outputs)
    read = sum(operand.size for operand in operands)
    weight = getattr(operator, "weight", None)
    window = getattr(operator, "window", None)
    if weight is not None:
        _, height, width, last = weight.shape
        transposed = window is None
        return window_work(operands[0].size if transposed else made, height * width, last)
    if window is not None:
        return window_work(made, math.prod(window.kernel))
    if type(operator).__name__ == "Matmul":
        return made * operands[0].shape[-1]
    return made + read


def _factor() -> float:
    text = os.environ.get(VARIABLE, "1")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise ConfigError(f"{VARIABLE} is {text!r}, expected a factor such as 4", hint=f"unset {VARIABLE}")
    return value

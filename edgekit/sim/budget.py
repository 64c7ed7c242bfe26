"""What a graph may cost: work and memory, added up and checked before anything is computed or allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import ConfigError, ModelError
from edgekit.sim.tensor import TensorType
from edgekit.text import shorten

MAX_NODES = 1 << 13  # yolov8x has about 800
MAX_WORK = 1 << 40  # multiply-adds; yolov8n-seg at 640 pixels has 6e9, yolov8x at 1280 about 6e11
MAX_BYTES = 1 << 31  # of all tensors together; yolov8x at 1280 has 1.4e9
MAX_SCRATCH = 1 << 31  # bytes while one node runs; yolov8x at 1920 has 2.1e9
MAX_TENSOR = 1 << 27  # elements of one tensor: 1280 x 1280 x 64 has 1.05e8
VARIABLE = "EDGEKIT_GRAPH_LIMIT"  # a factor on all limits
NODE_BYTES, CHANNEL_BYTES = 1 << 17, 1 << 8  # the tables that a plan may keep for a node, and for each channel


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a node costs: multiply-adds (or as long in other work), and bytes beside its results."""

    work: int
    scratch: int


class Budget:
    """Adds up what the nodes of one graph cost; raises ModelError as soon as a limit is passed."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.factor = _factor()
        self.work = self.bytes = 0

    def admit(self, nodes: int) -> None:
        """Check how many nodes there are."""
        self._require("", nodes, MAX_NODES, "nodes")

    def spend(self, node: str, outputs: Sequence[TensorType], cost: Cost) -> None:
        """Add the cost of a run of `node`, and the memory of its `outputs`."""
        self.work += cost.work
        self.bytes += NODE_BYTES
        for output in outputs:
            channels = output.shape[-1] if output.shape else 1
            self.bytes += output.size * output.dtype.itemsize + CHANNEL_BYTES * channels
        largest = max((output.size for output in outputs), default=0)
        self._require(node, largest, MAX_TENSOR, "elements in one tensor")
        self._require(node, cost.scratch, MAX_SCRATCH, "bytes beside the tensors")
        self._require(node, self.work, MAX_WORK, "multiply-adds")
        self._require(node, self.bytes, MAX_BYTES, "bytes of tensors")

    def _require(self, node: str, value: int, limit: int, what: str) -> None:
        allowed = limit * self.factor
        if value > allowed:
            factor = math.ceil(value / limit)
            where = f" up to node {shorten(node, 200)}" if node else ""
            raise ModelError(
                f"{self.location} needs {value:,} {what}{where}, expected at most {math.floor(allowed):,}",
                hint=f"if it really is that large, run with --graph-limit {factor}, or set {VARIABLE}={factor}",
            )


def _factor() -> float:
    text = os.environ.get(VARIABLE, "1")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise ConfigError(
            f"{VARIABLE} is {shorten(text)}, expected a factor such as 4", hint=f"unset {VARIABLE} or correct it"
        )
    return value

"""How near the integer graph is to the float model, tensor by tensor: cosines and distances over images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgekit.graph.float_graph import FloatGraph
from edgekit.sim.compiler.emit.writer import NCHW, NHWC, TO_NHWC, TensorMapping
from edgekit.sim.compiler.inputs import CalibrationImage
from edgekit.sim.compiler.quantize import QuantizedGraph
from edgekit.sim.executor import Executor

BLOCK = 1 << 15  # elements compared at once


@dataclass(slots=True)
class Distance:
    """Sums over elements of two tensors, float and integer, as they come in."""

    dot: float = 0.0
    float_norm: float = 0.0
    integer_norm: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0
    largest: float = 0.0
    count: int = 0

    def add(self, reference: np.ndarray, actual: np.ndarray) -> None:
        """Two arrays of one shape; sums run in float64, block by block so that they stay in the cache."""
        flat = reference.reshape(-1), actual.reshape(-1)
        for start in range(0, flat[0].size, BLOCK):
            a, b = (part[start : start + BLOCK].astype(np.float64) for part in flat)
            self._add_block(a, b)

    def _add_block(self, a: np.ndarray, b: np.ndarray) -> None:
        difference = np.abs(a - b)
        self.dot += _dot(a, b)
        self.float_norm += _dot(a, a)
        self.integer_norm += _dot(b, b)
        self.absolute += float(difference.sum())
        self.squared += _dot(difference, difference)
        self.largest = max(self.largest, float(difference.max(initial=0.0)))
        self.count += a.size

    @property
    def cosine(self) -> float:
        """1.0 for two tensors of zeros, 0.0 where only one is."""
        norms = math.sqrt(self.float_norm) * math.sqrt(self.integer_norm)
        if norms == 0.0:
            return 1.0 if self.float_norm == self.integer_norm else 0.0
        return min(self.dot / norms, 1.0)

    @property
    def l1(self) -> float:
        """Mean absolute difference."""
        return self.absolute / max(self.count, 1)

    @property
    def l2(self) -> float:
        """Norm of the difference over the number of elements, as hb_mapper's table has it."""
        return math.sqrt(self.squared) / max(self.count, 1)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Without BLAS, whose threads cost more than they save on vectors of this size."""
    return float(np.einsum("i,i->", a, b))


def measure(
    graph: FloatGraph,
    quantized: QuantizedGraph,
    executor: Executor,
    images: Iterable[CalibrationImage],
    *,
    inner: bool = True,
) -> dict[str, Distance]:
    """Distances by output name and, with `inner`, by integer tensor, summed over `images`."""
    mappings = dict(quantized.mappings) if inner else {}
    tensors = {**mappings, **{name: _output_link(graph, tensor) for name, tensor in graph.outputs.items()}}
    distances = {name: Distance() for name in tensors}
    by_float: dict[str, list[str]] = {}
    for name, mapping in tensors.items():
        by_float.setdefault(mapping.float_name, []).append(name)
    for image in images:
        integers = executor.run(image.board, keep=list(mappings))
        for float_name, reference in image.floats:
            for name in by_float.get(float_name, []):
                mapping = tensors[name]
                values = integers[name].astype(np.float32) * mapping.scale
                distances[name].add(reference.transpose(TO_NHWC) if mapping.layout == NHWC else reference, values)
    return distances


def _output_link(graph: FloatGraph, tensor: str) -> TensorMapping:
    """Outputs are floats already: their scale is 1."""
    layout = NHWC if len(graph.shapes[tensor]) == 4 else NCHW
    return TensorMapping(tensor, layout, np.ones(1, np.float32))

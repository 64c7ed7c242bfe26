"""What to add to the outputs' biases so that a build says on average what the float model says, where it counts.

Nearly all cells see nothing, and a mean over all of them says nothing about detections. Of scores the one shift per
output is found at which the build's probabilities sum up to the float model's, the least of the Kullback-Leibler
divergence of hit or miss; what else a cell says is shifted by its mean difference, weighted by the cell's score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.cell_scores import cell_scores, has_scores, head_rows, in_cells
from edgekit.decode.yolov5 import CLASSES, OBJECT
from edgekit.ops.math import sigmoid
from edgekit.spec import HeadSpec, ModelSpec

__all__ = ["output_shifts"]

Heads = Mapping[str, npt.NDArray[Any]]
Float64Array = npt.NDArray[np.float64]
LEAST_SCORE = 0.01  # cells of lower scores, nearly all, outweigh together those that are shown
ITERATIONS = 20  # Gauss-Newton steps; four or five are enough
MOST = 2.0  # logits; a build that needs more is wrong in another way


@dataclass(slots=True)
class _Sums:
    """Weighted differences of one output's channels, and its scores.

    Attributes:
        differences: (anchors, channels of one) float64: float minus build, weighted.
        weights: (anchors, 1) float64: their weights' sums.
        expected: Per image, the float model's scores that count.
        gates: The build's logits that are shifted: of classes, or objectness.
        factors: What their sigmoids are multiplied with: 1, or the class scores.
    """

    differences: Float64Array
    weights: Float64Array
    expected: list[Float64Array] = field(default_factory=list)
    gates: list[Float64Array] = field(default_factory=list)
    factors: list[Float64Array] = field(default_factory=list)


def output_shifts(spec: ModelSpec, pairs: Iterable[tuple[Heads, Heads]]) -> dict[str, list[float]]:
    """Return what has to be added to each output's channels.

    Args:
        spec: Names the outputs and their roles.
        pairs: Per image the float model's heads and the build's, both as floats by output name, channels last.

    Returns:
        Output -> one number per channel.
    """
    sums: dict[str, _Sums] = {}
    for reference, heads in pairs:
        scores = {h.stride: cell_scores(h, spec, reference[h.name]) for h in spec.outputs if _scores_cells(h, spec)}
        for head in spec.outputs:
            true, ours = reference[head.name], heads[head.name]
            into = sums.setdefault(head.name, _empty(head, spec, true.shape[-1]))
            _add_differences(into, true, ours, scores.get(head.stride) if in_cells(head, spec) else None)
            if _scores_cells(head, spec):
                _add_scores(into, head, spec, true, ours)
    return {head.name: _shift(sums[head.name], head, spec).tolist() for head in spec.outputs if head.name in sums}


def _scores_cells(head: HeadSpec, spec: ModelSpec) -> bool:
    return has_scores(head) and in_cells(head, spec)


def _empty(head: HeadSpec, spec: ModelSpec, channels: int) -> _Sums:
    anchors = len(spec.anchors[spec.strides.index(head.stride)]) if head.role == "object" else 1
    return _Sums(np.zeros((anchors, channels // anchors)), np.zeros((anchors, 1)))


def _add_differences(into: _Sums, true: npt.NDArray[Any], ours: npt.NDArray[Any], scores: Any | None) -> None:
    """Add differences per channel; of cells weighted by their scores."""
    rows = (true.astype(np.float64) - ours).reshape(-1, *into.differences.shape)
    weights = np.ones(rows.shape[:2]) if scores is None else scores.astype(np.float64).reshape(rows.shape[:2])
    into.differences += np.einsum("ca,cak->ak", weights, rows)
    into.weights += weights.sum(axis=0)[:, None]


def _add_scores(into: _Sums, head: HeadSpec, spec: ModelSpec, true: npt.NDArray[Any], ours: npt.NDArray[Any]) -> None:
    parts = [_gate_and_factor(head, spec, values) for values in (true, ours)]
    expected, scored = (sigmoid(gate) * factor for gate, factor in parts)
    counted = (expected > LEAST_SCORE) | (scored > LEAST_SCORE)
    gate, factor = parts[1]
    into.expected.append(expected[counted].astype(np.float64))
    into.gates.append(np.broadcast_to(gate, counted.shape)[counted].astype(np.float64))
    into.factors.append(np.broadcast_to(factor, counted.shape)[counted].astype(np.float64))


def _gate_and_factor(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> tuple[Any, Any]:
    """The logits that a shift is added to, and what their sigmoids are multiplied with."""
    rows = head_rows(head, spec, values)
    if head.role != "object":
        return rows, np.float32(1)
    return rows[:, OBJECT : OBJECT + 1], sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes])


def _shift(sums: _Sums, head: HeadSpec, spec: ModelSpec) -> Float64Array:
    mean = sums.differences / np.maximum(sums.weights, np.finfo(np.float64).tiny)
    if _scores_cells(head, spec):
        shift = _score_shift(*(np.concatenate(parts) for parts in (sums.expected, sums.gates, sums.factors)))
        if head.role == "object":
            mean[:, OBJECT] = shift
            mean[:, CLASSES : CLASSES + spec.num_classes] = 0.0
        else:
            mean[:] = shift
    return mean.reshape(-1)


def _score_shift(expected: Float64Array, gates: Float64Array, factors: Float64Array) -> float:
    """The shift s with the least sum of KL(expected || sigmoid(gates + s) * factors), by Gauss-Newton steps."""
    shift = 0.0
    for _ in range(ITERATIONS if len(expected) else 0):
        hit = 1 / (1 + np.exp(-(gates + shift)))
        score = hit * factors
        miss = np.maximum(1 - score, np.finfo(np.float64).eps)
        gradient = ((score - expected) * (1 - hit) / miss).sum()
        curvature = (score * (1 - hit) ** 2 / miss).sum()
        step = gradient / max(curvature, np.finfo(np.float64).tiny)
        shift = float(np.clip(shift - step, -MOST, MOST))
        if abs(step) < 1e-6:
            break
    return shift

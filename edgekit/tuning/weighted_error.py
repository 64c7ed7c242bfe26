"""Quantization error in what a detection is made of, where the float model sees something.

An integer graph can be near to the float model on average and far from it at the objects: saturation costs most where
activations are largest, and a logit moves most results where its score is near a threshold. Scores are compared by the
Kullback-Leibler divergence of hit or miss, whose root grows with the share of detections that cross a threshold; boxes
by their edges relative to the box's size, weighted by the float model's score, like what else a cell says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import dfl_distances
from edgekit.decode.cell_scores import cell_scores, has_scores, head_rows, in_cells
from edgekit.decode.yolov5 import CLASSES, OBJECT
from edgekit.ops.math import sigmoid, softmax
from edgekit.spec import HeadSpec, ModelSpec

__all__ = ["PART_WEIGHTS", "Heads", "squared_error", "weighted_error"]

Heads = Mapping[str, npt.NDArray[Any]]
Float32Array = npt.NDArray[np.float32]
Sums = tuple[float, float]
PART_WEIGHTS = {"class": 2.0}  # of the roles' errors in their mean, where not 1: scores cost two thirds of what is lost
SMALLEST_SIDE = 4.0  # px; relative errors of smaller boxes count as of this size
LEAST_SCORE = 1e-7  # scores nearer to 0 or 1 count as this near


def squared_error(spec: ModelSpec, reference: Heads, heads: Heads) -> dict[str, Sums]:
    """Return sums of squares over all raw numbers alike.

    Args:
        spec: Names the outputs.
        reference: The float model's heads, by output name.
        heads: The build's heads as floats, of the same shapes.

    Returns:
        Output -> sums of squares (of the difference, of the reference).
    """
    return {head.name: _squares(reference[head.name], heads[head.name]) for head in spec.outputs}


def weighted_error(spec: ModelSpec, reference: Heads, heads: Heads) -> dict[str, Sums]:
    """Return what a detection is wrong by, per role of the heads, over all strides; raw outputs are one by one.

    Args:
        spec: Names the outputs and their roles.
        reference: The float model's heads, by output name.
        heads: The build's heads as floats, of the same shapes.

    Returns:
        Role -> sums (of the error, of what it is relative to). Class scores of cells: divergence, over the cells' best
        scores. Boxes: squares of the edges' shifts over the box's sides, weighted by the score. Everything else: sums
        of squares, at a cell weighted by the square of its score.
    """
    scores = {head.stride: cell_scores(head, spec, reference[head.name]) for head in spec.outputs if has_scores(head)}
    sums: dict[str, Sums] = {}
    for head in spec.outputs:
        for role, error, unit in _parts(spec, head, reference[head.name], heads[head.name], scores):
            before = sums.get(role, (0.0, 0.0))
            sums[role] = before[0] + error, before[1] + unit
    return sums


def _parts(
    spec: ModelSpec,
    head: HeadSpec,
    reference: npt.NDArray[Any],
    values: npt.NDArray[Any],
    scores: Mapping[int, Float32Array],
) -> Iterator[tuple[str, float, float]]:
    """Yield (role, error, unit) of what a head holds."""
    if not in_cells(head, spec):
        name = head.name if head.role == "raw" else head.role  # raw outputs have units of their own
        yield name, *_squares(*(_as_read(spec, head, array) for array in (reference, values)))
        return
    true, ours = (head_rows(head, spec, array) for array in (reference, values))
    weights = scores[head.stride]
    if head.role == "class":
        yield "class", _divergence(sigmoid(true), sigmoid(ours)), float(weights.sum())
    elif head.role == "box":
        distances = [dfl_distances(rows, reg_max=spec.reg_max) for rows in (true, ours)]
        yield "box", *_edge_errors(distances[0], distances[1], weights, SMALLEST_SIDE / head.stride)
    elif head.role == "object":
        yield from _anchored_parts(spec, head, true, ours, weights)
    else:
        yield head.role, *_squares(weights[:, None] * true, weights[:, None] * ours)


def _anchored_parts(
    spec: ModelSpec, head: HeadSpec, true: Float32Array, ours: Float32Array, weights: Float32Array
) -> Iterator[tuple[str, float, float]]:
    """The same of slots, which hold box, objectness, classes and mask coefficients side by side."""
    ends = CLASSES + spec.num_classes
    products = [sigmoid(rows[:, OBJECT : OBJECT + 1]) * sigmoid(rows[:, CLASSES:ends]) for rows in (true, ours)]
    yield "class", _divergence(*products), float(weights.sum())
    anchors = np.asarray(spec.anchors[spec.strides.index(head.stride)], np.float32)
    edges = [
        _anchored_edges(rows, np.tile(anchors, (len(rows) // len(anchors), 1)), head.stride) for rows in (true, ours)
    ]
    yield "box", *_edge_errors(edges[0], edges[1], weights, SMALLEST_SIDE)
    if true.shape[1] > ends:
        yield "mask", *_squares(weights[:, None] * true[:, ends:], weights[:, None] * ours[:, ends:])


def _anchored_edges(rows: Float32Array, anchors_wh: Float32Array, stride: int) -> Float32Array:
    """Left, top, right, bottom in px from the cell's centre: centre 2 sig - 1/2 + cell, size (2 sig)^2 * anchor."""
    box = sigmoid(rows[:, :OBJECT])
    sizes = (box[:, 2:] * 2) ** 2 * anchors_wh
    offsets = (box[:, :2] * 2 - 1) * np.float32(stride)
    return np.concatenate([sizes / 2 - offsets, sizes / 2 + offsets], axis=1)


def _divergence(true: Float32Array, ours: Float32Array) -> float:
    """Kullback-Leibler divergence of hit or miss, summed."""
    p, q = (np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE) for scores in (true, ours))
    counted = (p > 1e-3) | (q > 1e-3)  # the others add next to nothing, and are nearly all
    p, q = p[counted].astype(np.float64), q[counted].astype(np.float64)
    return float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum())


def _edge_errors(true: Float32Array, ours: Float32Array, weights: Float32Array, smallest_side: float) -> Sums:
    """Squares of the edges' shifts over the sides of the true box, and the weights' sum."""
    sides = np.maximum(true[:, :2] + true[:, 2:], smallest_side)
    shifts = (ours - true) / np.tile(sides, 2)
    return float(((shifts**2).mean(axis=1) * weights).sum(dtype=np.float64)), float(weights.sum())


def _squares(reference: npt.NDArray[Any], values: npt.NDArray[Any]) -> Sums:
    expected = reference.astype(np.float64)
    differences = values - expected
    return float(np.vdot(differences, differences)), float(np.vdot(expected, expected))


def _as_read(spec: ModelSpec, head: HeadSpec, values: npt.NDArray[Any]) -> Float32Array:
    """Return the numbers of a head without cells as decoding compares them."""
    rows = head_rows(head, spec, values)
    return softmax(rows) if head.role == "class" else rows

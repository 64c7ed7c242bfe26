"""Quantization error weighted by detection score.

Background cells do not affect results, so their error is weighted down by the float model's class score. An integer
graph can be near to the float model on average and far from it at the objects: saturation costs most where activations
are largest. Both are measured, everywhere and here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import dfl_distances
from edgekit.decode.cell_scores import cell_scores, has_scores, head_rows
from edgekit.ops.math import sigmoid, softmax
from edgekit.spec import HeadSpec, ModelSpec

__all__ = ["Heads", "squared_error", "weighted_squared_error"]

Heads = Mapping[str, npt.NDArray[Any]]


def squared_error(spec: ModelSpec, reference: Heads, heads: Heads) -> dict[str, tuple[float, float]]:
    """Return sums of squares over all raw numbers alike.

    Args:
        spec: Names the outputs.
        reference: The float model's heads, by output name.
        heads: The build's heads as floats, of the same shapes.

    Returns:
        Output -> sums of squares (of the difference, of the reference).
    """
    sums = {}
    for head in spec.outputs:
        expected = reference[head.name].astype(np.float64)
        differences = heads[head.name] - expected
        sums[head.name] = (float(np.vdot(differences, differences)), float(np.vdot(expected, expected)))
    return sums


def weighted_squared_error(spec: ModelSpec, reference: Heads, heads: Heads) -> dict[str, tuple[float, float]]:
    """Return sums of squares of what a detection is decoded from, weighted by the reference's scores.

    Classes count as scores and boxes as DFL distances. These and everything else at a cell are weighted by the square
    of the cell's best score in `reference`; class scores and prototypes, which belong to no cell, count alike.

    Args:
        spec: Names the outputs and their roles.
        reference: The float model's heads, by output name.
        heads: The build's heads as floats, of the same shapes.

    Returns:
        Output -> sums of squares (of the difference, of the reference).
    """
    scores = {head.stride: cell_scores(head, spec, reference[head.name]) for head in spec.outputs if has_scores(head)}
    sums = {}
    for head in spec.outputs:
        expected, values = (_decoded(head, spec, arrays[head.name]) for arrays in (reference, heads))
        weights: Any = np.float32(1)
        if head.role not in ("class", "proto", "depth", "raw"):
            weights = scores[head.stride][:, None]
        differences, expected = weights * (values - expected), weights * expected
        sums[head.name] = (float(np.vdot(differences, differences)), float(np.vdot(expected, expected)))
    return sums


def _decoded(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the head's numbers as rows of scores, distances or what else they stand for."""
    rows = head_rows(head, spec, values)
    if head.role == "class":
        return softmax(rows) if spec.task in ("classify", "semantic") else sigmoid(rows)
    return dfl_distances(rows, reg_max=spec.reg_max) if head.role == "box" else rows

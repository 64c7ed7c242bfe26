"""Errors weighed by what a detection is made of: most cells of an image show nothing, and theirs move no result.

An integer graph can be near to the float model on average and far from it where the objects are: saturation costs
most where activations are largest. Both are measured, everywhere (`figures.py`) and here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import dfl_distances
from edgekit.decode.yolov5 import CLASSES, OBJECT
from edgekit.ops.math import sigmoid, softmax
from edgekit.spec import HeadSpec, ModelSpec

Heads = Mapping[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.float32]


def squared_error(spec: ModelSpec, truth: Heads, found: Heads) -> dict[str, tuple[float, float]]:
    """Output -> sums of squares (of the difference, of `truth`) over all raw numbers alike."""
    sums = {}
    for head in spec.outputs:
        true = truth[head.name].astype(np.float64)
        differences = found[head.name] - true
        sums[head.name] = (float(np.vdot(differences, differences)), float(np.vdot(true, true)))
    return sums


def weighted_squared_error(spec: ModelSpec, truth: Heads, found: Heads) -> dict[str, tuple[float, float]]:
    """Output -> sums of squares (of the difference, of `truth`) in what a detection is made of.

    `truth` and `found` are float heads as the sidecar `spec` names them, `truth` the float model's. Classes count as
    scores; boxes as DFL distances; these and everything else at a cell by the square of the cell's best score in
    `truth`; prototypes belong to no cell and count alike.
    """
    scores = {head.stride: cell_scores(head, spec, truth[head.name]) for head in spec.outputs if has_scores(head)}
    sums = {}
    for head in spec.outputs:
        true, other = (_meaning(head, spec, heads[head.name]) for heads in (truth, found))
        weights = np.float32(1)
        if head.role not in ("class", "proto"):
            weights = scores[head.stride][:, None]
        differences, true = weights * (other - true), weights * true
        sums[head.name] = (float(np.vdot(differences, differences)), float(np.vdot(true, true)))
    return sums


def has_scores(head: HeadSpec) -> bool:
    """Whether a head holds the scores of cells."""
    return head.role in ("class", "object")


def _meaning(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> Rows:
    """The head's numbers as rows of what they stand for."""
    rows = _rows(head, spec, values)
    if head.role == "class":
        return softmax(rows) if spec.task == "classify" else sigmoid(rows)
    return dfl_distances(rows, reg_max=spec.reg_max) if head.role == "box" else rows


def _rows(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> Rows:
    """A row per cell; of anchored heads a row per cell and anchor."""
    rows = values.astype(np.float32, copy=False)
    if head.role == "object":
        return rows.reshape(-1, values.shape[-1] // len(spec.anchors[spec.strides.index(head.stride)]))
    return rows.reshape(-1, values.shape[-1])


def cell_scores(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> Rows:
    """The best class' score per row of the heads of this stride."""
    rows = _rows(head, spec, values)
    if head.role == "object":
        return sigmoid(rows[:, OBJECT]) * sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes]).max(axis=1)
    return sigmoid(rows).max(axis=1)

"""The best class score of every cell of a float head: what a detection there could score at most."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.yolov5 import CLASSES, OBJECT
from edgekit.ops.math import sigmoid
from edgekit.spec import HeadSpec, ModelSpec

__all__ = ["cell_scores", "has_scores", "head_rows", "in_cells"]


def has_scores(head: HeadSpec) -> bool:
    """Return whether a head holds the scores of cells.

    Args:
        head: A head of a sidecar.

    Returns:
        True for class heads and for anchored heads with objectness.
    """
    return head.role in ("class", "object")


def in_cells(head: HeadSpec, spec: ModelSpec) -> bool:
    """Return whether a head says something per cell that could hold an object, so that the cell's score weights it.

    Args:
        head: A head of a sidecar.
        spec: The sidecar.

    Returns:
        False for prototypes, maps, classes of whole images and raw arrays.
    """
    return head.role not in ("depth", "proto", "raw") and spec.task not in ("classify", "semantic")


def head_rows(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return a head as one row per cell; of anchored heads one row per cell and anchor.

    Args:
        head: The head.
        spec: The sidecar that it belongs to.
        values: The head's floats, channels last.

    Returns:
        float32 (rows, channels of a row).
    """
    rows = values.astype(np.float32, copy=False)
    if head.role == "object":
        return rows.reshape(-1, values.shape[-1] // len(spec.anchors[spec.strides.index(head.stride)]))
    return rows.reshape(-1, values.shape[-1])


def cell_scores(head: HeadSpec, spec: ModelSpec, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the best class score of every row of a head that has scores.

    Args:
        head: A head for which `has_scores` is True.
        spec: The sidecar that it belongs to.
        values: The head's floats, channels last.

    Returns:
        float32 (rows,) in 0..1: sigmoid of the largest class logit, times objectness where the head has it.
    """
    rows = head_rows(head, spec, values)
    if head.role == "object":
        return sigmoid(rows[:, OBJECT]) * sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes]).max(axis=1)
    return sigmoid(rows).max(axis=1)

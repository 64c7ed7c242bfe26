"""Which cells are worth decoding: the threshold is moved into the raw domain, nothing else is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode.heads import HeadRows
from edgekit.ops.math import logit

Cells = npt.NDArray[np.intp]


def gate_cells(classes: HeadRows, score_threshold: float) -> Cells:
    """Indices of the cells in which some class scores above the threshold; all of them at 0 or below.

    sigmoid(x) > t is x > logit(t), and for integers x = raw * scale[c] it is raw > floor(logit(t) / scale[c]).
    """
    if score_threshold <= 0:
        return np.arange(len(classes.raw))
    return np.flatnonzero((classes.raw > raw_threshold(classes, score_threshold)).any(axis=1))


def best_classes(
    classes: HeadRows, score_threshold: float
) -> tuple[Cells, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Per surviving cell its best class: cells (n,), class ids (n,), logits (n,) float32."""
    cells = gate_cells(classes, score_threshold)
    logits = classes.floats(cells)
    best = logits.argmax(axis=1) if len(cells) else np.empty(0, np.intp)
    return cells, best.astype(np.int32), logits[np.arange(len(cells)), best]


def all_classes(
    classes: HeadRows, score_threshold: float
) -> tuple[Cells, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Every (cell, class) above the threshold: what scoring for mAP asks for. As `best_classes`, cells repeat."""
    cells = gate_cells(classes, score_threshold)
    logits = classes.floats(cells)
    rows, class_ids = np.nonzero(logits > np.float32(logit(score_threshold)))
    return cells[rows], class_ids.astype(np.int32), logits[rows, class_ids]


def raw_threshold(classes: HeadRows, score_threshold: float) -> npt.NDArray[Any]:
    """The threshold on raw values, in their dtype: () for floats, (1,) or (channels,) for integers."""
    bound = np.float64(logit(score_threshold))
    if not classes.head.scale:
        return np.asarray(bound, classes.raw.dtype)
    limits = np.iinfo(classes.raw.dtype)
    integers = np.floor(bound / classes.scale().astype(np.float64))
    return np.clip(integers, limits.min, limits.max).astype(classes.raw.dtype)

"""The raw heads of one image as rows per cell: scores, boxes and what else a cell says, over all strides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from edgekit.decode.families import formulas
from edgekit.decode.tasks import TASKS
from edgekit.spec import ModelSpec

Heads = Mapping[str, Any]  # output name -> tensor, NHWC
OBJECTNESS, CLASSES = 4, 5  # columns of an anchor: x, y, width, height, objectness, then classes and masks


@dataclass(frozen=True, slots=True)
class HeadRows:
    """What the heads of one image say, n rows: one per cell, or per cell and anchor.

    Attributes:
        log_scores: (n, classes), logarithm of every class's score.
        log_misses: (n, classes), logarithm of one minus the score.
        bins: (n, 4, reg_max) logits of the distance bins; None without bins.
        edges: (n, 4), left, top, right, bottom from a point of the cell, in input pixels.
        sizes: (n, 2), width and height of the box in input pixels.
        centres: (n, 2), the point that `edges` count from.
        extra: (n, k) mask coefficients, key points or angle as the head gives them; None without.
        units: (n, 1), input pixels per grid cell.
    """

    log_scores: Any
    log_misses: Any
    bins: Any
    edges: Any
    sizes: Any
    centres: Any
    extra: Any
    units: Any


def head_rows(spec: ModelSpec, heads: Heads) -> HeadRows:
    """Read the heads of a detector, a segmenter, a pose or an obb model.

    Args:
        spec: The sidecar; it says which output is what.
        heads: Float outputs of one image by name.

    Returns:
        The rows of all strides, small to large.
    """
    read = _anchored if formulas(spec.family).anchors else _anchor_free
    parts = [read(spec, heads, stride) for stride in spec.strides]
    columns = zip(*(tuple(getattr(part, name) for name in HeadRows.__slots__) for part in parts), strict=True)
    return HeadRows(*(None if column[0] is None else torch.cat(column) for column in columns))


def _anchor_free(spec: ModelSpec, heads: Heads, stride: int) -> HeadRows:
    logits = _rows(heads[spec.head("class", stride).name])
    box = _rows(heads[spec.head("box", stride).name])
    bins = box.reshape(-1, 4, spec.reg_max) if spec.reg_max > 1 else None
    distances = (
        box
        if bins is None
        else torch.softmax(bins, dim=2) @ torch.arange(spec.reg_max, dtype=box.dtype, device=box.device)
    )
    edges = distances * stride
    role = TASKS[spec.task].extra_role
    extra = _rows(heads[spec.head(role, stride).name]) if role else None
    centres = _centres(heads[spec.head("box", stride).name], stride)
    log_sigmoid = torch.nn.functional.logsigmoid
    return HeadRows(
        log_sigmoid(logits),
        log_sigmoid(-logits),
        bins,
        edges,
        edges[:, :2] + edges[:, 2:],
        centres,
        extra,
        torch.full_like(edges[:, :1], stride),
    )


def _anchored(spec: ModelSpec, heads: Heads, stride: int) -> HeadRows:
    """YOLOv5: centre 2 sig - 1/2 + cell, size (2 sig)^2 * anchor; a score is objectness times class."""
    anchors = spec.anchors[spec.strides.index(stride)]
    head = heads[spec.head("object", stride).name]
    rows = _rows(head)
    rows = rows.reshape(-1, rows.shape[1] // len(anchors))
    log_sigmoid = torch.nn.functional.logsigmoid
    log_scores = log_sigmoid(rows[:, OBJECTNESS:CLASSES]) + log_sigmoid(rows[:, CLASSES : CLASSES + spec.num_classes])
    log_misses = torch.log1p(-log_scores.clamp_max(-1e-6).exp())
    box = torch.sigmoid(rows[:, :OBJECTNESS])
    sizes = (box[:, 2:] * 2) ** 2 * torch.tensor(anchors, dtype=box.dtype, device=box.device).repeat(
        len(rows) // len(anchors), 1
    )
    offsets = (box[:, :2] * 2 - 1) * stride
    edges = torch.cat([sizes / 2 - offsets, sizes / 2 + offsets], dim=1)
    centres = _centres(head, stride).repeat_interleave(len(anchors), dim=0)
    extra = rows[:, CLASSES + spec.num_classes :] if spec.task == "segment" else None
    return HeadRows(log_scores, log_misses, None, edges, sizes, centres, extra, torch.full_like(edges[:, :1], stride))


def _rows(head: Any) -> Any:
    return head.reshape(-1, head.shape[-1])


def _centres(head: Any, stride: int) -> Any:
    """Cell centres (h * w, 2) x, y in input pixels."""
    height, width = head.shape[1:3]
    y, x = torch.meshgrid(
        torch.arange(height, device=head.device), torch.arange(width, device=head.device), indexing="ij"
    )
    return (torch.stack([x, y], dim=2).reshape(-1, 2).to(head.dtype) + 0.5) * stride

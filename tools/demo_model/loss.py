"""The training loss: task-aligned assignment, CIoU and DFL for boxes, BCE for classes and masks.

Sources of the formulas: TOOD (arXiv 2108.07755) for the assignment, CIoU (arXiv 1911.08287), distribution
focal loss (arXiv 2006.04388), mask prototypes (YOLACT, arXiv 1904.02689).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from demo_model.network import REG_MAX, STRIDES, anchor_grid

TOP_CELLS = 10  # cells that an instance may claim
SCORE_POWER, IOU_POWER = 0.5, 6.0
BOX_GAIN, DFL_GAIN, CLASS_GAIN, MASK_GAIN = 7.0, 1.5, 1.0, 4.0
SMALLEST_SIDE = 14.0  # px: an instance smaller than the finest cells still owns the cells this near
EPS = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is in a batch: `classes` (B, M) int64 with -1 for none, `boxes_xyxy` (B, M, 4) px,
    `owner` (B, H, W) uint8, 0 for nothing and i + 1 for instance i."""

    classes: Tensor
    boxes_xyxy: Tensor
    owner: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Per cell (B, A): whether it has an instance, which one, and how good (0..1) its answer is held to be."""

    taken: Tensor
    instance: Tensor
    quality: Tensor


def segment_loss(outputs: tuple[Tensor, ...], truth: Truth) -> dict[str, Tensor]:
    """The weighted parts of the loss of one batch; their sum is what is minimised."""
    raw_boxes, logits, masks, proto = outputs
    shapes = [(proto.shape[2] * 4 // s, proto.shape[3] * 4 // s) for s in STRIDES]
    centers, strides = anchor_grid(shapes)
    bins = raw_boxes.transpose(1, 2)  # (B, A, 64)
    boxes = decode_boxes(bins, centers, strides)
    with torch.no_grad():
        assignment = assign(logits.sigmoid().transpose(1, 2), boxes, centers * strides, truth)
    target = torch.zeros_like(logits).transpose(1, 2)
    batch, cell = torch.nonzero(assignment.taken, as_tuple=True)
    instance = assignment.instance[batch, cell]
    quality = assignment.quality[batch, cell]
    target[batch, cell, truth.classes[batch, instance]] = quality
    total = target.sum().clamp(min=1)
    parts = {
        "class": CLASS_GAIN * F.binary_cross_entropy_with_logits(logits.transpose(1, 2), target, reduction="sum"),
        "box": torch.zeros(()),
        "dfl": torch.zeros(()),
        "mask": torch.zeros(()),
    }
    if len(batch):
        goal = truth.boxes_xyxy[batch, instance]
        parts["box"] = BOX_GAIN * ((1 - ciou(boxes[batch, cell], goal)) * quality).sum()
        parts["dfl"] = DFL_GAIN * (_dfl(bins[batch, cell], goal, centers[cell], strides[cell]) * quality).sum()
        parts["mask"] = MASK_GAIN * (_mask_loss(masks, proto, batch, cell, instance, truth) * quality).sum()
    return {name: value / total for name, value in parts.items()}


def decode_boxes(bins: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """(B, A, 64) raw to (B, A, 4) xyxy px."""
    steps = torch.arange(REG_MAX, dtype=torch.float32)
    distances = bins.view(*bins.shape[:2], 4, REG_MAX).softmax(-1) @ steps
    low, high = centers - distances[..., :2], centers + distances[..., 2:]
    return torch.cat((low, high), -1) * strides


def assign(scores: Tensor, boxes: Tensor, points: Tensor, truth: Truth) -> Assignment:
    """Gives each instance the cells inside it whose score and box fit it best; a cell serves one instance.

    `scores` (B, A, nc), `boxes` (B, A, 4) px, `points` (A, 2) px.
    """
    real = truth.classes >= 0  # (B, M)
    goal = truth.boxes_xyxy
    middle, half = (goal[..., :2] + goal[..., 2:]) / 2, (goal[..., 2:] - goal[..., :2]) / 2
    half = half.clamp(min=SMALLEST_SIDE / 2)
    inside = ((points - middle[:, :, None]).abs() < half[:, :, None]).all(-1) & real[..., None]  # (B, M, A)
    overlap = iou(goal[:, :, None], boxes[:, None]) * inside
    index = truth.classes.clamp(min=0)[..., None].expand(-1, -1, scores.shape[1])
    score = scores.transpose(1, 2).gather(1, index)
    metric = score**SCORE_POWER * overlap**IOU_POWER * inside
    best = metric.topk(TOP_CELLS, dim=-1).indices
    chosen = torch.zeros_like(inside).scatter_(-1, best, True) & inside & (metric > 0)
    winner = torch.where(chosen, overlap, -1.0).argmax(1, keepdim=True)  # several instances want it: best overlap
    chosen &= torch.zeros_like(chosen).scatter_(1, winner, True)
    metric = metric * chosen
    peak = (overlap * chosen).amax(-1, keepdim=True)
    quality = metric / metric.amax(-1, keepdim=True).clamp(min=1e-12) * peak
    return Assignment(chosen.any(1), chosen.to(torch.uint8).argmax(1), quality.amax(1))


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of xyxy boxes, broadcasting."""
    corner = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    shared = corner.clamp(min=0).prod(-1)
    return shared / (_area(a) + _area(b) - shared + EPS)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU: IoU less the centres' distance and the difference of the aspect ratios."""
    overlap = iou(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    aspect = 4 / math.pi**2 * (_slant(a) - _slant(b)).square()
    with torch.no_grad():
        weight = aspect / (1 - overlap + aspect + EPS)
    return overlap - apart / (hull.square().sum(-1) + EPS) - weight * aspect


def _dfl(bins: Tensor, goal: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """Cross entropy against the two bins around the true distance; (n,)."""
    goal = goal / strides
    distance = torch.cat((centers - goal[:, :2], goal[:, 2:] - centers), -1).clamp(0, REG_MAX - 1.01)
    lower = distance.floor()
    share = distance - lower
    logs = bins.view(-1, 4, REG_MAX).log_softmax(-1)
    at_lower = logs.gather(-1, lower.long()[..., None])[..., 0]
    at_upper = logs.gather(-1, lower.long()[..., None] + 1)[..., 0]
    return -(at_lower * (1 - share) + at_upper * share).mean(-1)


def _mask_loss(masks: Tensor, proto: Tensor, batch: Tensor, cell: Tensor, instance: Tensor, truth: Truth) -> Tensor:
    """Mean BCE inside the true box at the prototypes' size, where a pixel may be partly covered; (n,)."""
    losses = torch.zeros(len(batch))
    height, width = proto.shape[2:]
    y, x = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    for b in batch.unique().tolist():
        rows = torch.nonzero(batch == b)[:, 0]
        instances, which = instance[rows].unique(return_inverse=True)
        solid = (truth.owner[b][None] == (instances + 1)[:, None, None]).float()
        cover = F.interpolate(solid[:, None], (height, width), mode="area")[:, 0][which]
        logits = (masks[b, :, cell[rows]].T @ proto[b].flatten(1)).view(-1, height, width)
        box = truth.boxes_xyxy[b, instance[rows]] / 4
        x1, y1, x2, y2 = (edge[:, None, None] for edge in box.unbind(-1))
        inside = ((x > x1 - 0.5) & (x < x2 + 0.5) & (y > y1 - 0.5) & (y < y2 + 0.5)).float()
        each = F.binary_cross_entropy_with_logits(logits, cover, reduction="none") * inside
        losses[rows] = each.sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    return losses


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _slant(boxes: Tensor) -> Tensor:
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=EPS)
    return torch.atan(size[..., 0] / size[..., 1])

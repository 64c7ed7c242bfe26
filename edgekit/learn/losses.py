"""How far outputs are from the float model's, measured in what a detection is made of.

Scores by the Kullback-Leibler divergence of two Bernoulli variables per cell and class; boxes by that of the distance
bins and by their edges relative to the box's size; key points, angles and masks likewise. All but scores and classes
are weighted by the float model's best score of the cell, so that what shows nothing moves nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from edgekit.decode.families import formulas
from edgekit.learn.head_rows import HeadRows, Heads, head_rows
from edgekit.spec import ModelSpec

PART_WEIGHTS = {
    "scores": 2.5,
    "classes": 1.0,
    "bins": 1.0,
    "edges": 30.0,
    "keypoints": 30.0,
    "visibility": 1.0,
    "angles": 10.0,
    "depths": 10.0,
    "masks": 1.0,
}
MASKED_ROWS = 24  # rows with the highest scores, whose masks are compared
MASK_STEP = 2  # every second row and column of the prototypes
SMALLEST_SIDE = 4.0  # px; relative errors of smaller boxes count as of this size


def output_losses(spec: ModelSpec, truth: Heads, outputs: Heads) -> dict[str, Any]:
    """Compare the outputs of one image.

    Args:
        spec: The sidecar; it says which output is what.
        truth: The float model's outputs by name, NHWC.
        outputs: The outputs to judge.

    Returns:
        Part -> scalar tensor, not weighted yet (`total_loss`).
    """
    if spec.task == "classify":
        return {"classes": _class_loss(spec, truth, outputs)}
    if spec.task == "semantic":
        return {"classes": _map_class_loss(spec, truth, outputs)}
    if spec.task == "depth":
        return {"depths": _depth_loss(spec, truth, outputs)}
    true, ours = head_rows(spec, truth), head_rows(spec, outputs)
    scores = true.log_scores.amax(dim=1).exp()
    total = scores.sum() + 1.0
    weights = (scores / total)[:, None]
    parts = {"scores": _bernoulli(true, ours).sum() / total}
    if true.bins is not None:
        divergence = _divergence(torch.log_softmax(true.bins, dim=2), torch.log_softmax(ours.bins, dim=2))
        parts["bins"] = (divergence.mean(dim=1, keepdim=True) * weights).sum()
    sides = true.sizes.clamp_min(SMALLEST_SIDE).repeat(1, 2)
    parts["edges"] = ((ours.edges - true.edges).abs() / sides * weights).sum() / 4
    return parts | _extra_losses(spec, truth, outputs, true, ours, scores)


def total_loss(parts: dict[str, Any]) -> Any:
    """Return the weighted sum of the parts."""
    return sum(PART_WEIGHTS[name] * value for name, value in parts.items())


def pooled_loss(losses: npt.ArrayLike) -> float:
    """Return one loss of several images: the square of their roots' mean.

    What a user sees, detections that cross a threshold and boxes that move, grows with the root of the loss; of the
    losses themselves one odd image makes half of the mean.

    Args:
        losses: One per image.

    Returns:
        In the unit of the losses.
    """
    return float(np.mean(np.sqrt(np.maximum(losses, 0)))) ** 2


def _extra_losses(
    spec: ModelSpec, truth: Heads, outputs: Heads, true: HeadRows, ours: HeadRows, scores: Any
) -> dict[str, Any]:
    weights = scores / (scores.sum() + 1.0)
    if spec.task == "segment":
        return {"masks": _mask_loss(spec, truth, outputs, true, ours, scores)}
    if spec.task == "obb":
        return {"angles": (_angle_difference(spec, true, ours) * weights).sum()}
    if spec.task == "pose":
        return _keypoint_losses(spec, true, ours, weights)
    return {}


def _bernoulli(true: HeadRows, ours: HeadRows) -> Any:
    """KL divergence per row and class of hit or miss."""
    hit = true.log_scores.exp() * (true.log_scores - ours.log_scores)
    return hit + true.log_misses.exp() * (true.log_misses - ours.log_misses)


def _divergence(true_log: Any, ours_log: Any) -> Any:
    """KL divergence along the last axis of two logarithms of distributions."""
    return (true_log.exp() * (true_log - ours_log)).sum(dim=-1)


def _class_loss(spec: ModelSpec, truth: Heads, outputs: Heads) -> Any:
    name = spec.head("class").name
    true, ours = (torch.log_softmax(heads[name].reshape(1, -1), dim=1) for heads in (truth, outputs))
    return _divergence(true, ours).sum()


def _map_class_loss(spec: ModelSpec, truth: Heads, outputs: Heads) -> Any:
    """Divergence of the classes' shares, mean over cells."""
    name = spec.head("class").name
    true, ours = (torch.log_softmax(heads[name].reshape(-1, spec.num_classes), dim=1) for heads in (truth, outputs))
    return _divergence(true, ours).mean()


def _depth_loss(spec: ModelSpec, truth: Heads, outputs: Heads) -> Any:
    """Mean difference of the raw numbers: of logarithms of depths it is that of the depths, relative."""
    name = spec.head("depth").name
    return (outputs[name] - truth[name]).abs().mean()


def _angle_difference(spec: ModelSpec, true: HeadRows, ours: HeadRows) -> Any:
    """|radians| per row."""
    if formulas(spec.family).raw_angle:
        return (ours.extra - true.extra).abs()[:, 0]
    return (torch.sigmoid(ours.extra) - torch.sigmoid(true.extra)).abs()[:, 0] * torch.pi


def _keypoint_losses(spec: ModelSpec, true: HeadRows, ours: HeadRows, weights: Any) -> dict[str, Any]:
    """Positions relative to the box's longer side, and the divergence of visibilities."""
    shape = (-1, *spec.keypoint_shape)
    a, b = true.extra.reshape(shape), ours.extra.reshape(shape)
    sides = true.sizes.amax(dim=1).clamp_min(SMALLEST_SIDE)
    distance = (b[..., :2] - a[..., :2]).abs().mean(dim=(1, 2)) * formulas(spec.family).keypoint_gain
    losses = {"keypoints": (distance * true.units[:, 0] / sides * weights).sum()}
    if a.shape[2] > 2:
        true_log, ours_log = (torch.stack([F.logsigmoid(v), F.logsigmoid(-v)], dim=-1) for v in (a[..., 2], b[..., 2]))
        losses["visibility"] = (_divergence(true_log, ours_log).mean(dim=1) * weights).sum()
    return losses


def _mask_loss(spec: ModelSpec, truth: Heads, outputs: Heads, true: HeadRows, ours: HeadRows, scores: Any) -> Any:
    """Divergence per pixel inside the float model's boxes, of the rows with the highest scores."""
    name = spec.head("proto").name
    rows = scores.topk(min(MASKED_ROWS, len(scores))).indices
    logits = []
    for heads, parts in ((truth, true), (outputs, ours)):
        proto = heads[name][0, ::MASK_STEP, ::MASK_STEP]
        logits.append(torch.einsum("nk,hwk->nhw", parts.extra[rows], proto))
    inside = _inside(spec, true, rows, logits[0].shape[1:])
    divergence = F.binary_cross_entropy_with_logits(logits[1], torch.sigmoid(logits[0]), reduction="none")
    divergence = divergence - F.binary_cross_entropy_with_logits(logits[0], torch.sigmoid(logits[0]), reduction="none")
    per_row = (divergence * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp_min(1)
    return (per_row * scores[rows]).sum() / (scores[rows].sum() + 1.0)


def _inside(spec: ModelSpec, true: HeadRows, rows: Any, shape_hw: tuple[int, int]) -> Any:
    """(n, h, w): whether a pixel of the thinned prototypes lies in the row's box."""
    width, height = spec.preprocess.size_wh
    device = rows.device
    y = (torch.arange(shape_hw[0], device=device) + 0.5) * (height / shape_hw[0])
    x = (torch.arange(shape_hw[1], device=device) + 0.5) * (width / shape_hw[1])
    low = true.centres[rows] - true.edges[rows, :2]
    high = true.centres[rows] + true.edges[rows, 2:]
    in_x = (x >= low[:, :1]) & (x <= high[:, :1])
    in_y = (y >= low[:, 1:]) & (y <= high[:, 1:])
    return in_y[:, :, None] & in_x[:, None, :]

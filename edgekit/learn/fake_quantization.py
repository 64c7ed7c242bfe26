"""Fake quantization: floats rounded and saturated as the integers would be, with straight-through gradients."""

from __future__ import annotations

from typing import Any

import torch

from edgekit.bpu import WEIGHT_MAX


class _RoundToGrid(torch.autograd.Function):  # type: ignore[misc]
    """The gradient passes where nothing saturates; the threshold's is that of LSQ (Esser et al. 2020, eq. 3)."""

    @staticmethod
    def forward(ctx: Any, x: Any, threshold: Any, largest: int) -> Any:
        step = threshold / largest
        rounded = (x / step).round_().clamp_(-largest - 1, largest).mul_(step)
        ctx.save_for_backward(x, threshold, rounded)
        return rounded

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> tuple[Any, Any, None]:
        x, threshold, rounded = ctx.saved_tensors
        passed = gradient * (x.abs() <= threshold)  # zero where x saturates; there the result is the threshold's alone
        if not ctx.needs_input_grad[1]:
            return passed, None, None
        return passed, (gradient * rounded).addcmul_(passed, x, value=-1).sum() / threshold, None


def round_to_grid(x: Any, threshold: Any, *, bits: int) -> Any:
    """Round to the integers of one tensor and back.

    Args:
        x: Tensor of any shape, float32.
        threshold: Scalar tensor, the magnitude that the largest integer stands for; above zero.
        bits: Bit width of the integers, 8 or 16.

    Returns:
        Tensor of the shape of `x`: multiples of threshold / largest integer, saturated.
    """
    return _RoundToGrid.apply(x, threshold, (1 << (bits - 1)) - 1)


def weight_step(weight: Any, *, transposed_groups: int = 0) -> Any:
    """Return the float value of an int8 weight's integer 1 per output channel, broadcastable to `weight`.

    Args:
        weight: (O, I / group, kh, kw) of a convolution, or (I, O / group, kh, kw) of a transposed one.
        transposed_groups: The groups of a transposed convolution; 0 for an ordinary one.

    Returns:
        Peak over 127 per output channel.
    """
    if not transposed_groups:
        peak = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    else:
        grouped = weight.detach().abs().reshape(transposed_groups, -1, *weight.shape[1:])
        peak = grouped.amax(dim=(1, 3, 4), keepdim=True).expand(grouped.shape).reshape(weight.shape)
    return peak.clamp_min(torch.finfo(torch.float32).tiny) / WEIGHT_MAX


def round_weight(weight: Any, step: Any) -> Any:
    """Round weights to multiples of `step`; the gradient passes unchanged."""
    return weight + ((weight.detach() / step).round_() * step - weight.detach())

"""Cross-layer equalization: channels of one tensor made equally wide, the function of the graph unchanged.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import ConfigError
from edgekit.folding.channel_groups import Channels, DisjointSets, SetIds, trace_channels
from edgekit.folding.convolution import (
    BIAS,
    WEIGHT,
    Convolution,
    bias_name,
    by_group,
    from_groups,
    set_constant,
    tensor_names,
)

FACTOR_LIMIT = 64.0  # beyond it a reader's int8 weights have under two bits left for the channels that shrank
MAX_ITERATIONS = 500
CONVERGED = 1e-4  # a further factor below 1.0001 changes no int8 weight
DAMPING = 0.5  # all tensors move at once; the full step would let neighbours of a chain swing against each other
UNCHANGED = 1e-3  # as logarithm: what counts as a factor of 1

Factors = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Equalized:
    """A convolution's output whose channels were divided by factors; `largest_factor` >= 1 up or down."""

    tensor: str
    largest_factor: float


def equalize(
    model: onnx.ModelProto, ranges: Mapping[str, npt.NDArray[np.floating]] | None = None
) -> tuple[onnx.ModelProto, tuple[Equalized, ...]]:
    """Scale every channel of a model where that is exact.

    A channel made by convolutions is divided by s and the weights of the convolutions that read it are multiplied by
    s; between them may stand only operations that commute with s (`channels.trace_channels`). Nothing moves through
    Sigmoid or SiLU, at a graph output, or where anything else reads.

    Without `ranges`, s = sqrt(r1 * r2) / r2 (eq. 11) with r1 and r2 the channel's largest weight in producers and
    readers, repeated until nothing moves. With `ranges`, per tensor name the (C,) largest |activation| of each
    channel, s widens every channel to the widest of the tensors that it is part of; tensors that are not named stay.
    That serves a compiler with one scale per activation tensor: its own weights, one scale per output channel, lose
    nothing in the producer, and in the reader no more than `FACTOR_LIMIT` allows. s stays within 1 / FACTOR_LIMIT and
    FACTOR_LIMIT; channels without range keep 1. After it, a measured range is the old one divided by s.

    Args:
        model: A float model.
        ranges: Tensor -> (C,) largest |activation| of each channel; None to equalize weights.

    Returns:
        The scaled model, and what was scaled, in running order.

    Raises:
        ConfigError: For ranges of an unknown tensor, of another shape than (C,), negative or not finite.
    """
    channels = trace_channels(model)
    if ranges is None:
        logs = _from_weights(channels)
    else:
        _check_ranges(model, channels, ranges)
        logs = _from_ranges(channels, ranges)
    return _applied(model, channels, logs)


def _from_weights(channels: Channels) -> Factors:
    """Per channel set the logarithm of s, from weights."""
    views = [_view(c, channels) for c in channels.convolutions]
    views = [v for v in views if channels.free[v.inputs].any() or channels.free[v.outputs].any()]
    total = np.zeros(len(channels.free))
    for _ in range(MAX_ITERATIONS):
        made, read = np.zeros(len(total)), np.zeros(len(total))
        for view in views:
            peaks = view.scaled_peaks(total)
            np.maximum.at(made, view.outputs, peaks.max(axis=2).reshape(-1))
            np.maximum.at(read, view.inputs, peaks.max(axis=1).reshape(-1))
        alive = channels.free & (made > 0) & (read > 0)
        step = np.zeros(len(total))
        step[alive] = DAMPING * 0.5 * (np.log(made[alive]) - np.log(read[alive]))
        moved = _limited(total + step)
        if np.abs(moved - total).max(initial=0.0) < CONVERGED * DAMPING:
            break
        total = moved
    return total


def _from_ranges(channels: Channels, ranges: Mapping[str, npt.NDArray[np.floating]]) -> Factors:
    """Per channel set the logarithm of s, from measured activations."""
    count = len(channels.free)
    width, read, together = np.zeros(count), np.zeros(count, bool), DisjointSets(count)
    for name in sorted(ranges):
        labels = channels.labels.get(name)
        if labels is not None:
            np.maximum.at(width, labels, np.asarray(ranges[name], np.float64))
            together.join(np.full(len(labels), labels[0]), labels)
    for convolution in channels.convolutions:
        read[channels.labels[convolution.input]] = True
    rooms = together.roots(np.arange(count))
    widest = np.zeros(count)
    np.maximum.at(widest, rooms, width)
    alive = channels.free & (width > 0) & read
    total = np.zeros(count)
    total[alive] = np.log(width[alive]) - np.log(widest[rooms[alive]])
    return _limited(total)


def _limited(logs: Factors) -> Factors:
    return np.clip(logs, -np.log(FACTOR_LIMIT), np.log(FACTOR_LIMIT))


@dataclass(frozen=True, slots=True)
class _View:
    """A convolution's peaks over the kernel, (group, outputs, inputs), and the sets of its channels."""

    peaks: npt.NDArray[np.float64]
    inputs: SetIds
    outputs: SetIds

    def scaled_peaks(self, logs: Factors) -> npt.NDArray[np.float64]:
        return self.peaks * _weight_factors(logs, self.inputs, self.outputs, len(self.peaks))


def _view(convolution: Convolution, channels: Channels) -> _View:
    grouped = by_group(convolution.weight, group=convolution.group, transposed=convolution.transposed)
    peaks = np.abs(grouped).max(axis=(3, 4)).astype(np.float64)
    return _View(peaks, channels.labels[convolution.input], channels.labels[convolution.output])


def _weight_factors(logs: Factors, inputs: SetIds, outputs: SetIds, group: int) -> Factors:
    """(group, outputs, inputs): the input channel's s over the output channel's."""
    factors: Factors = np.exp(logs[inputs].reshape(group, 1, -1) - logs[outputs].reshape(group, -1, 1))
    return factors


def _applied(
    model: onnx.ModelProto, channels: Channels, logs: Factors
) -> tuple[onnx.ModelProto, tuple[Equalized, ...]]:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    logs = np.where(np.abs(logs) < UNCHANGED, 0.0, logs)
    nodes = {node.output[0]: node for node in result.graph.node if node.output}
    equalized = []
    for convolution in channels.convolutions:
        inputs, outputs = channels.labels[convolution.input], channels.labels[convolution.output]
        node = nodes[convolution.output]
        if logs[inputs].any() or logs[outputs].any():
            grouped = by_group(convolution.weight, group=convolution.group, transposed=convolution.transposed)
            factors = _weight_factors(logs, inputs, outputs, convolution.group)[..., None, None]
            weight = from_groups((grouped * factors).astype(np.float32), transposed=convolution.transposed)
            set_constant(result, node, WEIGHT, weight, f"{node.input[WEIGHT]}_equalized")
        if logs[outputs].any():
            if convolution.bias is not None:
                bias = (convolution.bias * np.exp(-logs[outputs])).astype(np.float32)
                set_constant(result, node, BIAS, bias, f"{bias_name(node)}_equalized")
            equalized.append(Equalized(convolution.output, float(np.exp(np.abs(logs[outputs]).max()))))
    return result, tuple(equalized)


def _check_ranges(model: onnx.ModelProto, channels: Channels, ranges: Mapping[str, npt.NDArray[np.floating]]) -> None:
    known = tensor_names(model)
    again = "measure the ranges on this very model: per tensor the largest |activation| of each channel"
    for name, values in sorted(ranges.items()):
        if name not in known:
            raise ConfigError(f"ranges of {name!r}: the model has no such tensor", hint=again)
        labels, shape = channels.labels.get(name), np.shape(values)
        if labels is not None and shape != labels.shape:
            raise ConfigError(f"ranges of {name!r}: shape {shape}, expected {labels.shape}", hint=again)
        if not np.all(np.isfinite(values)) or np.min(values, initial=0.0) < 0:
            raise ConfigError(f"ranges of {name!r}: negative or not finite, expected numbers >= 0", hint=again)

"""HzSQuantizedConv: integer convolution, NHWC, int8 or int16 activations with int8 weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.bpu import MAX_SHIFT
from edgekit.ops.quant import shift_signed, wrap32
from edgekit.sim.ops.epilogue import Accumulator, Epilogue, read_epilogue
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import Window, read_window
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class SumIn:
    """A fifth input that joins the accumulator: `acc += (e * scale) << shift`."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, slots=True)
class Conv:
    """`acc = wrap32(sum x*w + bias)`, then the epilogue."""

    weight: np.ndarray  # (O, kh, kw, I/group) int8
    bias: np.ndarray  # (O,) int64, already shifted
    window: Window
    group: int
    sum_in: SumIn | None
    epilogue: Epilogue | Accumulator
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray, e: np.ndarray | None = None) -> Arrays:
        """Return the convolution of x (n, h, w, I), `e` being the sum-in (n, h, w, O)."""
        acc = wrap32(convolve(x, self.weight, self.window, self.group) + self.bias)
        if self.sum_in is not None and e is not None:
            acc = wrap32(acc + shift_signed(e * self.sum_in.scale, self.sum_in.shift))
        return (self.epilogue.apply(acc),)


def convolve(x: np.ndarray, weight: np.ndarray, window: Window, group: int) -> np.ndarray:
    """Return sum x*w as int64 (n, h, w, O), tap by tap; padding counts as 0.

    The sums are taken in float64, whose products and sums of integers are exact below 2^53:
    2^15 * 2^7 * the number of taps stays below that for every weight that fits in memory.
    """
    out_channels, _, _, per_group = weight.shape
    out_hw = window.out_hw(x.shape[1:3])
    pixels = x.shape[0] * out_hw[0] * out_hw[1]
    padded = window.pad(x, 0).astype(np.float64)
    taps = weight.astype(np.float64).reshape(group, out_channels // group, *window.kernel, per_group)
    acc = np.zeros((pixels, group, out_channels // group))
    for row, col in np.ndindex(*window.kernel):
        patch = window.tap(padded, row, col, out_hw).reshape(pixels, group, per_group)
        if group == 1:
            acc[:, 0] += patch[:, 0] @ taps[0, :, row, col].T
        else:
            acc += np.einsum("pgi,goi->pgo", patch, taps[:, :, row, col])
    return acc.reshape(x.shape[0], *out_hw, out_channels).astype(np.int64)


def read_conv(node: NodeReader) -> Conv:
    """Read HzSQuantizedConv; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2, 5)
    x = node.operand(0, rank=4)
    weight = node.constant(1, ("int8",), (-1, -1, -1, -1))
    out_channels = weight.shape[0]
    group = node.integer("group", 1, 1 << 16, 1)
    grouped = x.channels == weight.shape[3] * group and out_channels % group == 0
    node.require(
        grouped,
        f"weights {list(weight.shape)} in {group} groups over {x.channels} channels",
        "O, kh, kw, channels/group",
    )
    window = read_window(node, weight.shape[1:3], x.shape[1:3])
    bias = np.zeros(out_channels, np.int64)
    if node.flag("use_bias", 1):
        bias = read_bias(node, out_channels)
    sum_in = _read_sum_in(node, out_channels) if node.flag("use_sumin", 0) else None
    epilogue = read_epilogue(node, out_channels)
    shape = (x.shape[0], *window.out_hw(x.shape[1:3]), out_channels)
    if sum_in is not None:
        extra = node.operand(4, ("int8", "int16", "int32"), rank=4)
        node.require(extra.shape == shape, f"input 4 has shape {list(extra.shape)}", f"{list(shape)}")
    node.ignore("weight_thresholds", "input_scales")  # float ranges: no part of the arithmetic
    node.nhwc()
    out = int_type(shape, epilogue.bits)
    return Conv(weight, bias, window, group, sum_in, epilogue, (out,))


def read_bias(node: NodeReader, channels: int) -> np.ndarray:
    """Inputs 2 and 3: `b << b_scale`, where a b_scale of 0 or less leaves b as it is."""
    bias = node.constant(2, ("int32",), (channels,)).astype(np.int64)
    if not node.has_input(3):
        return bias
    b_scale = node.constant(3, ("int8",), (channels,)).astype(np.int64)
    node.require(
        int(b_scale.max(initial=0)) <= MAX_SHIFT,
        f"b_scale holds {b_scale.max(initial=0)}",
        f"at most {MAX_SHIFT}",
    )
    return wrap32(bias << np.maximum(b_scale, 0))


def _read_sum_in(node: NodeReader, channels: int) -> SumIn:
    return SumIn(scale=node.per_channel("e_scale", channels), shift=node.shifts("e_shift", channels, low=-MAX_SHIFT))

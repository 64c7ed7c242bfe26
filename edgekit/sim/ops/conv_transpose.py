"""HzSQuantizedConvTranspose: every input pixel scatters a weighted patch into the output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import wrap32
from edgekit.sim.ops.epilogue import Epilogue, read_relu
from edgekit.sim.ops.operator import Arrays
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.ops.window import MAX_WINDOW
from edgekit.sim.tensor import TensorType, int_type


@dataclass(frozen=True, slots=True)
class ConvTranspose:
    """`acc = wrap32(scatter sum + (b << b_left_shift))`, then the epilogue of a convolution."""

    weight: np.ndarray  # (I, kh, kw, O/group) int8, not flipped
    bias: np.ndarray  # (O,) int64, already shifted
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    group: int
    epilogue: Epilogue
    outputs: tuple[TensorType, ...]

    def run(self, x: np.ndarray) -> Arrays:
        """Return the transposed convolution of x (n, h, w, I)."""
        n, height, width, channels = x.shape
        in_channels, kh, kw, per_group = self.weight.shape
        _, out_h, out_w, out_channels = self.outputs[0].shape
        (top, left), (dh, dw), (sh, sw) = self.pads[:2], self.dilations, self.strides
        grouped = x.reshape(n, height, width, self.group, channels // self.group).astype(np.float64)
        taps = self.weight.reshape(self.group, in_channels // self.group, kh, kw, per_group).astype(np.float64)
        reach = ((height - 1) * sh + dh * (kh - 1) + 1, (width - 1) * sw + dw * (kw - 1) + 1)
        full_hw = (max(reach[0], top + out_h), max(reach[1], left + out_w))
        full = np.zeros((n, *full_hw, self.group, per_group))  # exact in float64, see conv.convolve
        for row, col in np.ndindex(kh, kw):
            patch = np.einsum("nhwgi,gio->nhwgo", grouped, taps[:, :, row, col], optimize=True)
            rows = slice(row * dh, row * dh + (height - 1) * sh + 1, sh)
            cols = slice(col * dw, col * dw + (width - 1) * sw + 1, sw)
            full[:, rows, cols] += patch
        cropped = full[:, top : top + out_h, left : left + out_w].reshape(n, out_h, out_w, out_channels)
        return (self.epilogue.apply(wrap32(cropped.astype(np.int64) + self.bias)),)


def read_conv_transpose(node: NodeReader) -> ConvTranspose:
    """Read HzSQuantizedConvTranspose; raises ModelError if it cannot be executed exactly."""
    node.expect_inputs(2, 3)
    x = node.operand(0, rank=4)
    weight = node.constant(1, ("int8",), (-1, -1, -1, -1))
    group = node.integer("group", 1, 1 << 16, 1)
    node.require(
        weight.shape[0] == x.channels and x.channels % group == 0,
        f"weights {list(weight.shape)} in {group} groups over {x.channels} channels",
        "channels, kh, kw, O/group",
    )
    channels = weight.shape[3] * group
    kernel = node.integers("kernel_shape", count=2, low=1, high=MAX_WINDOW, default=weight.shape[1:3]).tolist()
    node.require(kernel == list(weight.shape[1:3]), f"attribute kernel_shape is {kernel}", f"{list(weight.shape[1:3])}")
    strides = node.integers("strides", count=2, low=1, high=MAX_WINDOW, default=(1, 1)).tolist()
    pads = node.integers("pads", count=4, low=0, high=MAX_WINDOW, default=(0, 0, 0, 0)).tolist()
    dilations = node.integers("dilations", count=2, low=1, high=MAX_WINDOW, default=(1, 1)).tolist()
    extra = node.integers("output_padding", count=2, low=0, high=MAX_WINDOW, default=(0, 0)).tolist()
    out_hw = [
        (x.shape[1 + axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1
        + extra[axis] - pads[axis] - pads[axis + 2]
        for axis in (0, 1)
    ]  # fmt: skip
    node.require(min(out_hw) >= 1, f"an output of {out_hw[0]}x{out_hw[1]}", "at least one pixel")
    bias = np.zeros(channels, np.int64)
    left_shift = node.shifts("b_left_shift", channels, default=0)
    if node.flag("use_bias", 1):
        bias = wrap32(node.constant(2, ("int32",), (channels,)).astype(np.int64) << left_shift)
    epilogue = Epilogue(
        right_shift=node.shifts("accu_right_shift", channels),
        scale=node.per_channel("y_quant_scale", channels),
        out_shift=node.shifts("y_right_shift", channels),
        bits=node.bits("output_bit", default=8),
        relu=read_relu(node),
    )
    node.ignore("weight_thresholds")
    node.nhwc()
    out = int_type((x.shape[0], out_hw[0], out_hw[1], channels), epilogue.bits)
    return ConvTranspose(weight, bias, tuple(strides), tuple(pads), tuple(dilations), group, epilogue, (out,))

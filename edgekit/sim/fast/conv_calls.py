"""Convolutions as kernel calls: their parameters, packed weights, and what is fused behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.sim.fast.kernel_call import KernelCall
from edgekit.sim.fast.kernel_set import KernelSet
from edgekit.sim.fast.structs import (
    LANES,
    OUT_F32,
    OUT_S16,
    OUT_S32,
    OUT_U8,
    RHS_S16,
    RHS_S32,
    RHS_U8,
    TABLE_8_TO_8,
    TABLE_16_TO_8,
    TABLE_16_TO_16,
    TABLE_16_TO_F32,
    TABLE_NONE,
    ConvParams,
)
from edgekit.sim.fast.tensor_view import TensorView
from edgekit.sim.fast.weights import centered_bias, pack_depthwise, pack_weights, per_lane
from edgekit.sim.ops.conv import Conv, SumIn
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.epilogue import Accumulator, Epilogue
from edgekit.sim.ops.window import Window

OUT_KINDS = {"int8": OUT_U8, "int16": OUT_S16, "int32": OUT_S32, "float32": OUT_F32}
RHS_KINDS = {"int8": RHS_U8, "int16": RHS_S16, "int32": RHS_S32}
TABLES = {  # (bits before the table, dtype behind it)
    (8, "int8"): TABLE_8_TO_8,
    (16, "int16"): TABLE_16_TO_16,
    (16, "int8"): TABLE_16_TO_8,
    (16, "float32"): TABLE_16_TO_F32,
}
POINTWISE = Window((1, 1), (1, 1), (0, 0, 0, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class OutputStage:
    """What a convolution's kernel does with its result: a table, or the unit of a float output."""

    table: np.ndarray | None = None
    float_scale: np.ndarray | None = None


def conv_calls(
    kernels: KernelSet,
    name: str,
    conv: Conv,
    stage: OutputStage,
    source: TensorView,
    target: TensorView,
    rhs: TensorView | None,
) -> list[KernelCall]:
    """Return one call, or one per group of channels.

    Args:
        kernels: Makes the calls.
        name: The node's name.
        conv: The convolution.
        stage: What happens to its result.
        source: The activations, NHWC.
        target: The result.
        rhs: The sum-in, of the result's shape; None if there is none.
    """
    if _can_merge_pixels(conv, source, target, rhs):
        conv, stage, source, target = _merge_pixels(conv, stage, source, target)
    if is_depthwise(conv):
        return [_call(kernels, name, conv, stage, source, target, rhs)]
    calls = []
    inputs, outputs = conv.weight.shape[3], conv.weight.shape[0] // conv.group
    for group in range(conv.group):
        part = slice(group * outputs, (group + 1) * outputs)
        calls.append(
            _call(
                kernels,
                name,
                _group(conv, part),
                OutputStage(stage.table, None if stage.float_scale is None else stage.float_scale[part]),
                source.channels(group * inputs, inputs),
                target.channels(group * outputs, outputs),
                None if rhs is None else rhs.channels(group * outputs, outputs),
            )
        )
    return calls


def transpose_calls(
    kernels: KernelSet, name: str, conv: ConvTranspose, stage: OutputStage, source: TensorView, target: TensorView
) -> list[KernelCall]:
    """A transposed convolution whose patches do not overlap: a pointwise one for every pixel of the patch."""
    calls = []
    for row, col in np.ndindex(*conv.strides):
        weight = np.ascontiguousarray(conv.weight[:, row, col, :].T)[:, None, None, :]
        tap = Conv(weight, conv.bias, POINTWISE, 1, None, conv.epilogue, conv.outputs)
        calls += conv_calls(kernels, name, tap, stage, source, target.strided(row, col, conv.strides), None)
    return calls


MERGED_PIXELS = 4  # pixels taken as one, so that channel counts such as 3 make whole steps of 4


def _can_merge_pixels(conv: Conv, source: TensorView, target: TensorView, rhs: TensorView | None) -> bool:
    pointwise = conv.window == POINTWISE and conv.group == 1 and conv.sum_in is None and rhs is None
    fits = target.shape[3] * MERGED_PIXELS <= LANES and target.shape[2] % MERGED_PIXELS == 0
    dense = all(tensor.pixel == tensor.shape[3] * tensor.dtype.itemsize for tensor in (source, target))
    return bool(pointwise and source.shape[3] % MERGED_PIXELS and fits and dense)


def _merge_pixels(
    conv: Conv, stage: OutputStage, source: TensorView, target: TensorView
) -> tuple[Conv, OutputStage, TensorView, TensorView]:
    """The same convolution over MERGED_PIXELS neighbouring pixels at once: its weights along the diagonal."""
    weight = np.kron(np.eye(MERGED_PIXELS, dtype=np.int8), conv.weight[:, 0, 0])[:, None, None, :]
    ending = conv.epilogue
    if isinstance(ending, Epilogue):
        right_shift, scale, out_shift = (
            np.tile(v, MERGED_PIXELS) for v in (ending.right_shift, ending.scale, ending.out_shift)
        )
        ending = Epilogue(right_shift, scale, out_shift, ending.bits, ending.relu)
    float_scale = None if stage.float_scale is None else np.tile(stage.float_scale, MERGED_PIXELS)
    merged = Conv(weight, np.tile(conv.bias, MERGED_PIXELS), POINTWISE, 1, None, ending, conv.outputs)
    views = source.merge_pixels(MERGED_PIXELS), target.merge_pixels(MERGED_PIXELS)
    return merged, OutputStage(stage.table, float_scale), *views


def is_depthwise(conv: Conv) -> bool:
    """Return whether every channel has a kernel of its own."""
    return conv.group > 1 and conv.weight.shape[0] == conv.group and conv.weight.shape[3] == 1


def is_patchwise(conv: ConvTranspose) -> bool:
    """Return whether every output pixel has exactly one input pixel."""
    exact = conv.weight.shape[1:3] == conv.strides and not any(conv.pads) and conv.dilations == (1, 1)
    height, width = conv.outputs[0].shape[1:3]
    return exact and conv.group == 1 and height % conv.strides[0] == 0 and width % conv.strides[1] == 0


def _group(conv: Conv, part: slice) -> Conv:
    if conv.group == 1:
        return conv
    ending = conv.epilogue
    if isinstance(ending, Epilogue):
        ending = Epilogue(
            ending.right_shift[part], ending.scale[part], ending.out_shift[part], ending.bits, ending.relu
        )
    sum_in = None if conv.sum_in is None else SumIn(conv.sum_in.scale[part], conv.sum_in.shift[part])
    return Conv(conv.weight[part], conv.bias[part], conv.window, 1, sum_in, ending, conv.outputs)


def _call(
    kernels: KernelSet,
    name: str,
    conv: Conv,
    stage: OutputStage,
    source: TensorView,
    target: TensorView,
    rhs: TensorView | None,
) -> KernelCall:
    int16, depthwise = source.dtype == np.int16, is_depthwise(conv)
    arrays = _arrays(conv, stage, int16=int16, depthwise=depthwise)
    ending = conv.epilogue
    params = ConvParams(
        input=source.strides,
        output=target.strides,
        batch=source.shape[0],
        in_h=source.shape[1],
        in_w=source.shape[2],
        in_bytes=source.shape[3] * source.dtype.itemsize,
        out_h=target.shape[1],
        out_w=target.shape[2],
        out_c=target.shape[3],
        **_window_fields(conv.window),
        int16_input=int16,
        bits=ending.bits,
        relu=ending.relu,
        out_kind=OUT_KINDS[target.dtype.name],
        table_kind=TABLES[ending.bits, target.dtype.name] if stage.table is not None else TABLE_NONE,
        threads=kernels.threads,
        **{field: array.ctypes.data for field, array in arrays.items()},
    )
    if rhs is not None:
        params.rhs, params.rhs_kind = rhs.strides, RHS_KINDS[rhs.dtype.name]
    kernel = kernels.library.edgekit_depthwise if depthwise else kernels.library.edgekit_conv
    return KernelCall(name, kernel, params, source, target, rhs, tuple(arrays.values()))


def _window_fields(window: Window) -> dict[str, int]:
    return {
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.strides[0],
        "stride_w": window.strides[1],
        "pad_top": window.pads[0],
        "pad_left": window.pads[1],
        "dilation_h": window.dilations[0],
        "dilation_w": window.dilations[1],
    }


def _arrays(conv: Conv, stage: OutputStage, *, int16: bool, depthwise: bool) -> dict[str, np.ndarray]:
    centered = not int16 and not depthwise
    arrays = {
        "weights": pack_depthwise(conv.weight) if depthwise else pack_weights(conv.weight, int16=int16),
        "bias": per_lane(centered_bias(conv.weight, conv.bias) if centered else conv.bias),
    }
    if not isinstance(conv.epilogue, Accumulator):
        for field in ("right_shift", "scale", "out_shift"):
            arrays[field] = per_lane(getattr(conv.epilogue, field))
    if conv.sum_in is not None:
        arrays |= {"rhs_scale": per_lane(conv.sum_in.scale), "rhs_shift": per_lane(conv.sum_in.shift)}
    if stage.table is not None:
        arrays["table"] = stage.table
    if stage.float_scale is not None:
        float_scale = np.zeros(arrays["bias"].size, np.float32)
        float_scale[: stage.float_scale.size] = stage.float_scale
        arrays["float_scale"] = float_scale
    return arrays

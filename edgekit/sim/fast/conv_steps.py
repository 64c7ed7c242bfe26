"""Convolutions as kernel steps: the parameter block, packed weights, and what is fused behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.fast import structs
from edgekit.sim.fast.kernel_call import KernelStep
from edgekit.sim.fast.structs import ConvBlock
from edgekit.sim.fast.tensor_view import Place
from edgekit.sim.fast.weights import centred_bias, pack_depthwise, pack_weights, per_lane
from edgekit.sim.ops.conv import Conv, SumIn
from edgekit.sim.ops.conv_transpose import ConvTranspose
from edgekit.sim.ops.epilogue import Accumulator, Epilogue
from edgekit.sim.ops.window import Window

OUT_KINDS = {"int8": structs.OUT_U8, "int16": structs.OUT_S16, "int32": structs.OUT_S32, "float32": structs.OUT_F32}
E_KINDS = {"int8": structs.E_U8, "int16": structs.E_S16, "int32": structs.E_S32}
TABLES = {  # (bits before the table, dtype behind it)
    (8, "int8"): structs.TABLE_8_TO_8,
    (16, "int16"): structs.TABLE_16_TO_16,
    (16, "int8"): structs.TABLE_16_TO_8,
    (16, "float32"): structs.TABLE_16_TO_F32,
}
POINTWISE = Window((1, 1), (1, 1), (0, 0, 0, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class Tail:
    """What a convolution's kernel does with its result: a table, or the unit of a float output."""

    table: np.ndarray | None = None
    unit: np.ndarray | None = None


def conv_steps(
    library: Any, threads: int, name: str, conv: Conv, tail: Tail, source: Place, target: Place, e: Place | None
) -> list[KernelStep]:
    """One step, or one per group of channels."""
    if _can_widen(conv, source, target, e):
        conv, tail, source, target = _widened(conv, tail, source, target)
    if is_depthwise(conv):
        return [_step(library.edgekit_depthwise, threads, name, conv, tail, source, target, e)]
    steps = []
    inputs, outputs = conv.weight.shape[3], conv.weight.shape[0] // conv.group
    for group in range(conv.group):
        part = slice(group * outputs, (group + 1) * outputs)
        steps.append(
            _step(
                library.edgekit_conv,
                threads,
                name,
                _group(conv, part),
                Tail(tail.table, None if tail.unit is None else tail.unit[part]),
                source.channels(group * inputs, inputs),
                target.channels(group * outputs, outputs),
                None if e is None else e.channels(group * outputs, outputs),
            )
        )
    return steps


def transpose_steps(
    library: Any, threads: int, name: str, conv: ConvTranspose, tail: Tail, source: Place, target: Place
) -> list[KernelStep]:
    """A transposed convolution whose patches do not overlap: a pointwise one for every pixel of the patch."""
    steps = []
    for row, col in np.ndindex(*conv.strides):
        weight = np.ascontiguousarray(conv.weight[:, row, col, :].T)[:, None, None, :]
        tap = Conv(weight, conv.bias, POINTWISE, 1, None, conv.epilogue, conv.outputs)
        steps += conv_steps(library, threads, name, tap, tail, source, target.every(row, col, conv.strides), None)
    return steps


WIDENED = 4  # pixels taken as one, so that channel counts such as 3 make whole steps of 4


def _can_widen(conv: Conv, source: Place, target: Place, e: Place | None) -> bool:
    pointwise = conv.window == POINTWISE and conv.group == 1 and conv.sum_in is None and e is None
    small = source.shape[3] % WIDENED and target.shape[3] * WIDENED <= structs.LANES and target.shape[2] % WIDENED == 0
    dense = all(place.pixel == place.shape[3] * place.dtype.itemsize for place in (source, target))
    return bool(pointwise and small and dense)


def _widened(conv: Conv, tail: Tail, source: Place, target: Place) -> tuple[Conv, Tail, Place, Place]:
    """The same convolution over WIDENED neighbouring pixels at once: its weights along the diagonal."""
    weight = np.kron(np.eye(WIDENED, dtype=np.int8), conv.weight[:, 0, 0])[:, None, None, :]
    ending = conv.epilogue
    if isinstance(ending, Epilogue):
        right_shift, scale, out_shift = (
            np.tile(v, WIDENED) for v in (ending.right_shift, ending.scale, ending.out_shift)
        )
        ending = Epilogue(right_shift, scale, out_shift, ending.bits, ending.relu)
    unit = None if tail.unit is None else np.tile(tail.unit, WIDENED)
    wide = Conv(weight, np.tile(conv.bias, WIDENED), POINTWISE, 1, None, ending, conv.outputs)
    return wide, Tail(tail.table, unit), source.joined(WIDENED), target.joined(WIDENED)


def is_depthwise(conv: Conv) -> bool:
    return conv.group > 1 and conv.weight.shape[0] == conv.group and conv.weight.shape[3] == 1


def is_patchwise(conv: ConvTranspose) -> bool:
    """Whether every output pixel has exactly one input pixel."""
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


def _step(
    kernel: Any, threads: int, name: str, conv: Conv, tail: Tail, source: Place, target: Place, e: Place | None
) -> KernelStep:
    wide, depthwise, window = source.dtype == np.int16, is_depthwise(conv), conv.window
    arrays = _parameters(conv, tail, wide=wide, depthwise=depthwise)
    ending = conv.epilogue
    block = ConvBlock(
        input=source.strides,
        output=target.strides,
        batch=source.shape[0],
        in_h=source.shape[1],
        in_w=source.shape[2],
        in_bytes=source.shape[3] * source.dtype.itemsize,
        out_h=target.shape[1],
        out_w=target.shape[2],
        out_c=target.shape[3],
        kernel_h=window.kernel[0],
        kernel_w=window.kernel[1],
        stride_h=window.strides[0],
        stride_w=window.strides[1],
        pad_top=window.pads[0],
        pad_left=window.pads[1],
        dilation_h=window.dilations[0],
        dilation_w=window.dilations[1],
        wide=wide,
        bits=ending.bits,
        relu=ending.relu,
        out_kind=OUT_KINDS[target.dtype.name],
        table_kind=TABLES[ending.bits, target.dtype.name] if tail.table is not None else structs.TABLE_NONE,
        threads=threads,
        **{field: array.ctypes.data for field, array in arrays.items()},
    )
    if e is not None:
        block.e, block.e_kind = e.strides, E_KINDS[e.dtype.name]
    return KernelStep(name, kernel, block, source, target, e, tuple(arrays.values()))


def _parameters(conv: Conv, tail: Tail, *, wide: bool, depthwise: bool) -> dict[str, np.ndarray]:
    centred = not wide and not depthwise
    arrays = {
        "weights": pack_depthwise(conv.weight) if depthwise else pack_weights(conv.weight, wide=wide),
        "bias": per_lane(centred_bias(conv.weight, conv.bias) if centred else conv.bias),
    }
    if not isinstance(conv.epilogue, Accumulator):
        for field in ("right_shift", "scale", "out_shift"):
            arrays[field] = per_lane(getattr(conv.epilogue, field))
    if conv.sum_in is not None:
        arrays |= {"e_scale": per_lane(conv.sum_in.scale), "e_shift": per_lane(conv.sum_in.shift)}
    if tail.table is not None:
        arrays["table"] = tail.table
    if tail.unit is not None:
        unit = np.zeros(arrays["bias"].size, np.float32)
        unit[: tail.unit.size] = tail.unit
        arrays["unit"] = unit
    return arrays

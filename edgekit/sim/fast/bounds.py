"""Whether compiled kernels stay inside their buffers: checked once for every call of a plan, before C is entered.

The kernels trust their parameters. So all that these make them read or write is worked out here from them, and held
against the buffers and arrays that the call really has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.errors import DeviceError
from edgekit.sim.fast.kernel_call import KernelCall
from edgekit.sim.fast.structs import (
    ELTWISE_ADD,
    ELTWISE_HEAD,
    ELTWISE_MUL,
    ELTWISE_ROWS,
    ELTWISE_SUB,
    LANES,
    OUT_F32,
    OUT_S16,
    OUT_S32,
    OUT_U8,
    RHS_NONE,
    RHS_S16,
    RHS_S32,
    RHS_U8,
    ROW_ACCU_SHIFT,
    ROW_OUT_SHIFT,
    ROW_RHS_SHIFT,
    ROW_X_SHIFT,
    TABLE_8_TO_8,
    TABLE_16_TO_8,
    TABLE_16_TO_16,
    TABLE_16_TO_F32,
    TABLE_NONE,
)
from edgekit.sim.fast.tensor_view import TensorView

HINT = "report this graph as a fault of edgekit; EDGEKIT_NO_KERNELS=1 does without compiled kernels"
INT32_MAX = (1 << 31) - 1
DOT_BYTES = 4  # activations that a dot product takes at once
OUT_BYTES = {OUT_U8: 1, OUT_S16: 2, OUT_S32: 4, OUT_F32: 4}
RHS_BYTES = {RHS_U8: 1, RHS_S16: 2, RHS_S32: 4}
PLAIN_OUTPUTS = {  # bits of the result -> kinds of output that take it without a table
    8: (OUT_U8,),
    16: (OUT_S16,),
    32: (OUT_S32, OUT_F32),
}
TABLES = {  # kind of table -> (bits of what is looked up, kind of output, bytes)
    TABLE_8_TO_8: (8, OUT_U8, 1 << 8),
    TABLE_16_TO_16: (16, OUT_S16, 2 << 16),
    TABLE_16_TO_8: (16, OUT_U8, 1 << 16),
    TABLE_16_TO_F32: (16, OUT_F32, 4 << 16),
}
ELTWISE_SHIFTS = {ROW_X_SHIFT: 31, ROW_RHS_SHIFT: 31, ROW_ACCU_SHIFT: 31, ROW_OUT_SHIFT: 30}  # the most each may be


def check_bounds(calls: Sequence[object], sizes: Mapping[str, int]) -> None:
    """Check that no kernel call touches anything outside its buffers and arrays.

    Args:
        calls: The calls of a plan; those that are no `KernelCall` need no check here.
        sizes: The bytes of every buffer, by the root of its views.

    Raises:
        DeviceError: where a call would, with its name.
    """
    for call in calls:
        if isinstance(call, KernelCall):
            CHECKS[str(getattr(call.kernel, "__name__", ""))](_Inspection(call, sizes))


class _Inspection:
    """One call, its parameters and the buffers it works on."""

    def __init__(self, call: KernelCall, sizes: Mapping[str, int]) -> None:
        self.call, self.sizes = call, sizes
        self.params: Any = call.params

    def require(self, condition: bool, what: str) -> None:
        if not condition:
            raise DeviceError(
                f"the compiled kernel for {self.call.name} does not fit its buffers: {what}, expected it to fit",
                hint=HINT,
            )

    def require_range(self, low: int, high: int, *names: str) -> None:
        for name in names:
            value = getattr(self.params, name)
            self.require(low <= value <= high, f"{name} is {value}")

    def require_inside(self, what: str, tensor: TensorView | None, counts: tuple[int, int, int], run: int) -> None:
        """`counts` images, rows and pixels with `run` bytes each, by their strides, lie inside the buffer."""
        if tensor is None:
            self.require(False, f"{what} is missing")
            return
        strides, size = getattr(self.params, what), self.sizes.get(tensor.root, -1)
        calls = (strides.image, strides.row, strides.pixel)
        end = tensor.offset + sum((n - 1) * call for n, call in zip(counts, calls, strict=True)) + run
        self.require(
            min(*counts, run) >= 1 and min(calls) >= 0 and tensor.offset >= 0 and end <= size,
            f"{what} of {counts} ends at byte {end} of {size}",
        )

    def require_array(self, name: str, count: int) -> np.ndarray:
        """What the pointer `name` points to: an array that the call keeps, of at least `count` bytes."""
        pointer = getattr(self.params, name)
        candidates = [a for a in self.call.keep if a.nbytes and a.flags.c_contiguous and a.ctypes.data == pointer]
        size = max((require_array.nbytes for require_array in candidates), default=0)
        self.require(size >= count, f"{name} has {size} of {count} bytes")
        return max(candidates, key=lambda require_array: require_array.nbytes)

    def require_shifts(self, name: str, values: np.ndarray, low: int = 0, high: int = 31) -> None:
        least, most = values.min(initial=0), values.max(initial=0)
        self.require(low <= least and most <= high, f"{name} holds {least}..{most}")


def _conv(inspection: _Inspection) -> None:
    params = inspection.params
    _conv_tensors(inspection)
    taps = params.kernel_h * params.kernel_w
    inspection.require(taps * params.in_bytes <= INT32_MAX - DOT_BYTES, f"{taps} taps of {params.in_bytes} bytes")
    whole = params.in_bytes % DOT_BYTES == 0
    calls = taps * (params.in_bytes // DOT_BYTES) if whole else -(-taps * params.in_bytes // DOT_BYTES)
    inspection.require_array("weights", _lanes(inspection) * calls * DOT_BYTES)


def _depthwise(inspection: _Inspection) -> None:
    params = inspection.params
    _conv_tensors(inspection)
    channel = 2 if params.int16_input else 1
    inspection.require(
        params.in_bytes == params.out_c * channel, f"{params.in_bytes} bytes per pixel for {params.out_c} channels"
    )
    inspection.require_array("weights", params.kernel_h * params.kernel_w * params.out_c)


def _conv_tensors(inspection: _Inspection) -> None:
    """What both convolutions have: the image, the result, the fifth input and what the end of one needs."""
    params, call = inspection.params, inspection.call
    sizes = ("batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "threads")
    inspection.require_range(1, INT32_MAX, *sizes, "stride_h", "stride_w", "dilation_h", "dilation_w")
    inspection.require_range(0, INT32_MAX, "pad_top", "pad_left")
    for axis in ("h", "w"):
        out, stride, kernel, dilation = (
            getattr(params, f"{n}_{axis}") for n in ("out", "stride", "kernel", "dilation")
        )
        extent = (out - 1) * stride + (kernel - 1) * dilation
        inspection.require(extent <= INT32_MAX, f"the window reaches {extent} pixels")
    made = (params.batch, params.out_h, params.out_w)
    inspection.require(params.out_kind in OUT_BYTES, f"out_kind is {params.out_kind}")
    inspection.require_inside("input", call.source, (params.batch, params.in_h, params.in_w), params.in_bytes)
    inspection.require_inside("output", call.target, made, params.out_c * OUT_BYTES[params.out_kind])
    lanes = 4 * _lanes(inspection)
    inspection.require_array("bias", lanes)
    if params.rhs_kind != RHS_NONE:
        inspection.require(params.rhs_kind in RHS_BYTES, f"rhs_kind is {params.rhs_kind}")
        inspection.require_inside("rhs", call.rhs, made, params.out_c * RHS_BYTES[params.rhs_kind])
        inspection.require_array("rhs_scale", lanes)
        inspection.require_shifts("rhs_shift", inspection.require_array("rhs_shift", lanes), low=-31)
    _conv_end(inspection, lanes)


def _conv_end(inspection: _Inspection, lanes: int) -> None:
    """The numbers behind the accumulator, and the table or scales behind those."""
    params = inspection.params
    inspection.require(params.bits in PLAIN_OUTPUTS, f"bits is {params.bits}")
    if params.bits != 32:
        inspection.require_array("scale", lanes)
        for name in ("right_shift", "out_shift"):
            inspection.require_shifts(name, inspection.require_array(name, lanes))
    if params.table_kind == TABLE_NONE:
        inspection.require(
            params.out_kind in PLAIN_OUTPUTS[params.bits], f"{params.bits} bits for out_kind {params.out_kind}"
        )
        if params.out_kind == OUT_F32:
            inspection.require_array("float_scale", lanes)
        return
    inspection.require(params.table_kind in TABLES, f"table_kind is {params.table_kind}")
    bits, out_kind, size = TABLES[params.table_kind]
    inspection.require((params.bits, params.out_kind) == (bits, out_kind), f"{params.bits} bits for a table of {bits}")
    inspection.require_array("table", size)


def _lanes(inspection: _Inspection) -> int:
    """The output channels, filled up to whole blocks."""
    return int(-(-inspection.params.out_c // LANES) * LANES)


def _lut(inspection: _Inspection) -> None:
    params = inspection.params
    _element_wise(inspection)
    if params.in_kind == 2:
        inspection.require_array("table", params.out_kind << 16)
    else:
        inspection.require(not (params.per_channel and params.out_kind == 2), "tables of 16 bits per channel")
        inspection.require_array("table", params.out_kind * 256 * (params.channels if params.per_channel else 1))


def _lut2(inspection: _Inspection) -> None:
    params = inspection.params
    inspection.require((params.in_kind, params.out_kind) == (1, 1), "pairs of more than 8 bits")
    _element_wise(inspection)
    inspection.require_inside("rhs", inspection.call.rhs, (params.batch, params.height, params.width), params.channels)
    inspection.require_array("table", 256 * 256)


def _eltwise(inspection: _Inspection) -> None:
    params = inspection.params
    _element_wise(inspection)
    numbers = inspection.require_array("table", 4 * (ELTWISE_HEAD + ELTWISE_ROWS * params.channels)).reshape(-1)
    inspection.require(numbers.dtype == np.int32, f"its numbers are {numbers.dtype}")
    operation, nearest, rhs_bytes = (int(number) for number in numbers[:ELTWISE_HEAD])
    inspection.require(
        operation in (ELTWISE_ADD, ELTWISE_SUB, ELTWISE_MUL) and nearest in (0, 1) and rhs_bytes in (1, 2),
        "an unknown operation",
    )
    inspection.require_inside(
        "rhs", inspection.call.rhs, (params.batch, params.height, params.width), params.channels * rhs_bytes
    )
    rows = numbers[ELTWISE_HEAD:].reshape(ELTWISE_ROWS, -1)
    for row, high in ELTWISE_SHIFTS.items():
        inspection.require_shifts(f"row {row}", rows[row], high=high)


def _copy(inspection: _Inspection) -> None:
    params = inspection.params
    _map_sizes(inspection)
    inspection.require_range(1, INT32_MAX, "repeat_h", "repeat_w", "in_kind")
    rows, pixels = (params.height - 1) // params.repeat_h + 1, (params.width - 1) // params.repeat_w + 1
    inspection.require_inside(
        "input", inspection.call.source, (params.batch, rows, pixels), params.channels * params.in_kind
    )
    _map_output(inspection, params.in_kind)


def _max_pool(inspection: _Inspection) -> None:
    params = inspection.params
    _map_sizes(inspection)
    inspection.require_range(1, INT32_MAX, "in_h", "in_w", "kernel_h", "kernel_w", "stride_h", "stride_w")
    inspection.require_range(0, INT32_MAX, "pad_top", "pad_left")
    inspection.require_range(1, 2, "in_kind")
    inspection.require_inside(
        "input", inspection.call.source, (params.batch, params.in_h, params.in_w), params.channels * params.in_kind
    )
    _map_output(inspection, params.in_kind)


def _element_wise(inspection: _Inspection) -> None:
    """One element in, one out, at the same pixel and channel."""
    params = inspection.params
    _map_sizes(inspection)
    inspection.require_range(1, 2, "in_kind", "out_kind")
    counts = (params.batch, params.height, params.width)
    inspection.require_inside("input", inspection.call.source, counts, params.channels * params.in_kind)
    _map_output(inspection, params.out_kind)


def _map_sizes(inspection: _Inspection) -> None:
    inspection.require_range(1, INT32_MAX, "batch", "height", "width", "channels", "threads")


def _map_output(inspection: _Inspection, element: int) -> None:
    params = inspection.params
    inspection.require_inside(
        "output", inspection.call.target, (params.batch, params.height, params.width), params.channels * element
    )


CHECKS: Mapping[str, Callable[[_Inspection], None]] = {
    "edgekit_conv": _conv,
    "edgekit_depthwise": _depthwise,
    "edgekit_lut": _lut,
    "edgekit_lut2": _lut2,
    "edgekit_eltwise": _eltwise,
    "edgekit_copy": _copy,
    "edgekit_max_pool": _max_pool,
}

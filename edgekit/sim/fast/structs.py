"""The parameter blocks of the compiled kernels, laid out as bpu.h has them."""

from __future__ import annotations

import ctypes

from edgekit.kernels import struct_checks

OUT_U8, OUT_S16, OUT_S32, OUT_F32 = range(4)
TABLE_NONE, TABLE_8_TO_8, TABLE_16_TO_16, TABLE_16_TO_8, TABLE_16_TO_F32 = range(5)
RHS_NONE, RHS_U8, RHS_S16, RHS_S32 = range(4)
ELTWISE_ADD, ELTWISE_SUB, ELTWISE_MUL = range(3)
# Rows of `EltwiseNumbers` of bpu.h, behind its ELTWISE_HEAD integers.
ROW_X_SHIFT, ROW_RHS_SCALE, ROW_RHS_SHIFT, ROW_BIAS, ROW_ACCU_SHIFT, ROW_SCALE, ROW_OUT_SHIFT, ELTWISE_ROWS = range(8)
ELTWISE_HEAD = 3
LANES = 16

_I32 = ctypes.c_int32
_P = ctypes.c_void_p


class Strides(ctypes.Structure):
    """Bytes from one pixel, row and image of a tensor to the next."""

    _fields_ = [("pixel", ctypes.c_int64), ("row", ctypes.c_int64), ("image", ctypes.c_int64)]


class ConvParams(ctypes.Structure):
    """A convolution: `ConvParams` of bpu.h."""

    _fields_ = [
        *((name, Strides) for name in ("input", "output", "rhs")),
        *((name, _I32) for name in (
            "batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "stride_h",
            "stride_w", "pad_top", "pad_left", "dilation_h", "dilation_w", "int16_input", "bits", "relu", "out_kind",
            "table_kind", "rhs_kind", "threads",
        )),
        *((name, _P) for name in (
            "weights", "bias", "right_shift", "scale", "out_shift", "rhs_scale", "rhs_shift", "float_scale", "table",
        )),
    ]  # fmt: skip


class MapParams(ctypes.Structure):
    """Work by pixel or window without weights: `MapParams` of bpu.h."""

    _fields_ = [
        *((name, Strides) for name in ("input", "output", "rhs")),
        *((name, _I32) for name in (
            "batch", "height", "width", "channels", "in_kind", "out_kind", "per_channel", "repeat_h", "repeat_w",
            "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "in_h", "in_w", "threads",
        )),
        ("table", _P),
    ]  # fmt: skip


ABI = ctypes.sizeof(ConvParams) * 1000 + ctypes.sizeof(MapParams)

C_NAMES = {"input": "in", "output": "out"}  # where C's name is a word of Python's or clearer there
ENUMS = (
    "OUT_U8", "OUT_S16", "OUT_S32", "OUT_F32", "TABLE_NONE", "TABLE_8_TO_8", "TABLE_16_TO_16", "TABLE_16_TO_8",
    "TABLE_16_TO_F32", "RHS_NONE", "RHS_U8", "RHS_S16", "RHS_S32", "LANES",
    "ELTWISE_ADD", "ELTWISE_SUB", "ELTWISE_MUL", "ROW_X_SHIFT", "ROW_RHS_SCALE", "ROW_RHS_SHIFT", "ROW_BIAS",
    "ROW_ACCU_SHIFT", "ROW_SCALE", "ROW_OUT_SHIFT", "ELTWISE_ROWS",
)  # fmt: skip


def layout_checks() -> str:
    """Return C that does not compile unless every field, size and number mirrored here is what bpu.h has."""
    structs = {"Strides": Strides, "ConvParams": ConvParams, "MapParams": MapParams}
    return struct_checks.layout_checks(structs, {name: globals()[name] for name in ENUMS}, C_NAMES)

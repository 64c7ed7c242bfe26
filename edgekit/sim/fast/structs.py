"""The parameter blocks of the compiled kernels, laid out as `bpu.c` has them."""

from __future__ import annotations

import ctypes

from edgekit.kernels import struct_checks

OUT_U8, OUT_S16, OUT_S32, OUT_F32 = range(4)
TABLE_NONE, TABLE_8_TO_8, TABLE_16_TO_16, TABLE_16_TO_8, TABLE_16_TO_F32 = range(5)
E_NONE, E_U8, E_S16, E_S32 = range(4)
LANES = 16

_I32 = ctypes.c_int32
_P = ctypes.c_void_p


class Strides(ctypes.Structure):
    """In bytes."""

    _fields_ = [("pixel", ctypes.c_int64), ("row", ctypes.c_int64), ("image", ctypes.c_int64)]


class ConvBlock(ctypes.Structure):
    """`Conv` of bpu.c."""

    _fields_ = [
        *((name, Strides) for name in ("input", "output", "e")),
        *((name, _I32) for name in (
            "batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "stride_h",
            "stride_w", "pad_top", "pad_left", "dilation_h", "dilation_w", "wide", "bits", "relu", "out_kind",
            "table_kind", "e_kind", "threads",
        )),
        *((name, _P) for name in (
            "weights", "bias", "right_shift", "scale", "out_shift", "e_scale", "e_shift", "unit", "table",
        )),
    ]  # fmt: skip


class MapBlock(ctypes.Structure):
    """`Map` of bpu.c."""

    _fields_ = [
        *((name, Strides) for name in ("input", "output", "e")),
        *((name, _I32) for name in (
            "batch", "height", "width", "channels", "in_kind", "out_kind", "per_channel", "repeat_h", "repeat_w",
            "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "in_h", "in_w", "threads",
        )),
        ("table", _P),
    ]  # fmt: skip


ABI = ctypes.sizeof(ConvBlock) * 1000 + ctypes.sizeof(MapBlock)

C_NAMES = {"input": "in", "output": "out"}  # where C's name is a word of Python's or clearer there
ENUMS = (
    "OUT_U8", "OUT_S16", "OUT_S32", "OUT_F32", "TABLE_NONE", "TABLE_8_TO_8", "TABLE_16_TO_16", "TABLE_16_TO_8",
    "TABLE_16_TO_F32", "E_NONE", "E_U8", "E_S16", "E_S32", "LANES",
)  # fmt: skip


def layout_checks() -> str:
    """Return C that does not compile unless every field, size and number mirrored here is what `bpu.c` has."""
    structs = {"Strides": Strides, "Conv": ConvBlock, "Map": MapBlock}
    return struct_checks.layout_checks(structs, {name: globals()[name] for name in ENUMS}, C_NAMES)

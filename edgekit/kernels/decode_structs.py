"""The parameter blocks of compiled decoding, laid out as `decode.h` and `decode_masks.h` have them."""

from __future__ import annotations

import ctypes

from edgekit.kernels import struct_checks

TYPE_F32, TYPE_S8, TYPE_S16, TYPE_S32 = range(4)
KIND_UPRIGHT, KIND_ANCHORED, KIND_ROTATED = range(3)
_CONSTANTS = ("TYPE_F32", "TYPE_S8", "TYPE_S16", "TYPE_S32", "KIND_UPRIGHT", "KIND_ANCHORED", "KIND_ROTATED")

_I32, _I64, _F32, _F64, _P = ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_double, ctypes.c_void_p


class HeadBlock(ctypes.Structure):
    """`Head` of decode.h."""

    _fields_ = [("scale", _P), *((name, _I32) for name in ("type", "channels", "scales", "unused"))]


class GridBlock(ctypes.Structure):
    """`Grid` of decode.h."""

    _fields_ = [
        *((name, HeadBlock) for name in ("classes", "box", "extra")),
        *((name, _P) for name in ("limits", "block_limits", "anchors_wh")),
        *((name, _I32) for name in ("stride", "height", "width", "anchors", "block_cells", "unused")),
    ]


class PlanBlock(ctypes.Structure):
    """`Plan` of decode.h."""

    _fields_ = [
        *((name, _P) for name in ("grids", "extra_factor")),
        *((name, _I32) for name in (
            "grid_count", "kind", "class_count", "reg_max", "extra_channels", "extra_factors", "select_all",
            "multi_label", "end_to_end", "raw_angle", "points", "point_values", "proto_height", "proto_width",
            "row_floats",
        )),
        *((name, _F32) for name in (
            "score_threshold", "logit_threshold", "iou_threshold", "keypoint_gain", "keypoint_shift",
        )),
    ]  # fmt: skip


class FrameBlock(ctypes.Structure):
    """`Frame` of decode.h: where the image lies in the model's input."""

    _fields_ = [
        (name, _F64)
        for name in (
            "scale_x", "scale_y", "left", "top", "source_width", "source_height", "input_width", "input_height",
        )
    ]  # fmt: skip


class ObjectsBlock(ctypes.Structure):
    """`Objects` of decode.h."""

    _fields_ = [
        *((name, _P) for name in (
            "boxes", "image_boxes", "scores", "extra", "class_ids", "strides", "cells", "windows",
        )),
        *((name, _I64) for name in ("capacity", "window_cells")),
    ]  # fmt: skip


class AxisBlock(ctypes.Structure):
    """`Axis` of decode_masks.h."""

    _fields_ = [
        *((name, _F64) for name in ("scale", "shift", "cells", "input")),
        *((name, _I64) for name in ("corner", "first", "last")),
        *((name, _I32) for name in ("count", "unused")),
    ]


ABI = ctypes.sizeof(PlanBlock) * 10_000 + ctypes.sizeof(GridBlock) * 100 + ctypes.sizeof(ObjectsBlock)


def layout_checks() -> str:
    """Return C that does not compile unless every member and constant mirrored here is what the sources have."""
    structs = {
        "Head": HeadBlock,
        "Grid": GridBlock,
        "Plan": PlanBlock,
        "Frame": FrameBlock,
        "Objects": ObjectsBlock,
        "Axis": AxisBlock,
    }
    return struct_checks.layout_checks(structs, {name: globals()[name] for name in _CONSTANTS})

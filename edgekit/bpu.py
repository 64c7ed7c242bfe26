"""Facts of the BPU and of its integer dialect: the widths of its integers, its shifters, and its image inputs."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.preprocess import ColorRange
from edgekit.spec import InputKind

__all__ = [
    "COLOR_RANGES",
    "INPUT_TYPES",
    "INT16_MAX",
    "INT_MAX",
    "MAX_SHIFT",
    "MULTIPLIER_MAX",
    "WEIGHT_MAX",
]

INT_MAX: Mapping[int, int] = {8: 127, 16: 32767}  # largest integer by bit width; weights are symmetric int8
INT16_MAX = INT_MAX[16]  # the saturated value between the two shifts of an epilogue
WEIGHT_MAX = INT_MAX[8]
MAX_SHIFT = 31  # bits that one shifter moves
MULTIPLIER_MAX = INT16_MAX  # of a normalized 15-bit multiplier, which is at least half of it
# `input_type` of HzSQuantizedPreprocess -> (input kind, colour range). YUV444 and NV12 builds have the same graph.
INPUT_TYPES: Mapping[str, tuple[InputKind, ColorRange]] = {
    "RGB_128": ("rgb", "full"),
    "BGR_128": ("bgr", "full"),
    "GRAY_128": ("gray", "full"),
    "YUV_BT601_FULL_RANGE_128": ("nv12", "full"),
    "YUV_BT601_VIDEO_RANGE_128": ("nv12", "studio"),
}
COLOR_RANGES: Mapping[str, ColorRange] = {"regular": "full", "bt601_video": "studio"}  # of input_space_and_range

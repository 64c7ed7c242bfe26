"""What compiled decoding has to know of a model: plain numbers and arrays, checked and put into parameter blocks."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.kernels.decode_structs import (
    KIND_ANCHORED,
    KIND_ROTATED,
    KIND_UPRIGHT,
    TYPE_F32,
    TYPE_S8,
    TYPE_S16,
    TYPE_S32,
    GridBlock,
    HeadBlock,
    PlanBlock,
)

Floats = npt.NDArray[np.float32]
TYPES = {
    np.dtype(np.float32): TYPE_F32,
    np.dtype(np.int8): TYPE_S8,
    np.dtype(np.int16): TYPE_S16,
    np.dtype(np.int32): TYPE_S32,
}
KINDS = {"upright": KIND_UPRIGHT, "anchored": KIND_ANCHORED, "rotated": KIND_ROTATED}
BLOCK_NUMBERS = 512  # of a class tensor that are tested at once: enough for vector units, little to look through
MIN_BLOCK_CELLS = 8


@dataclass(frozen=True, slots=True, eq=False)
class HeadLayout:
    """One output tensor.

    Attributes:
        shape: (1, height, width, channels).
        dtype: float32, int8, int16 or int32.
        scale: (1,) or (channels,) float32; empty where the numbers are the values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: Floats

    @property
    def channels(self) -> int:
        """Numbers per cell."""
        return self.shape[-1]


@dataclass(frozen=True, slots=True, eq=False)
class GridLayout:
    """The outputs of one stride.

    Attributes:
        stride: Input pixels per cell.
        classes: Logits per class; with anchor boxes every column of every anchor.
        box: Distances or their bins; None with anchor boxes.
        extra: What the task adds; None without.
        limits: (channels,) int64, with anchor boxes (anchors,): integers above them pass; None for floats.
        anchors_wh: (anchors, 2) float32 input pixels; None without anchor boxes.
    """

    stride: int
    classes: HeadLayout
    box: HeadLayout | None
    extra: HeadLayout | None
    limits: npt.NDArray[np.int64] | None
    anchors_wh: Floats | None = None

    @property
    def heads(self) -> tuple[HeadLayout | None, HeadLayout | None, HeadLayout | None]:
        """The three tensors in the order in which the kernel takes them."""
        return self.classes, self.box, self.extra


@dataclass(frozen=True, slots=True, eq=False)
class PlanLayout:
    """One model and its thresholds.

    Attributes:
        kind: "upright", "anchored" or "rotated".
        grids: Small stride to large.
        class_count: Classes.
        reg_max: Bins per side of a box; 1 for plain distances.
        max_objects: Objects kept per frame.
        score_threshold: 0..1.
        logit_threshold: What logits are compared with; select_all where it does not matter.
        iou_threshold: 0..1.
        select_all: Whether every cell is decoded.
        multi_label: Whether a cell may be several classes.
        end_to_end: Whether nothing is suppressed.
        raw_angle: Whether the angle head gives radians.
        extra_channels: Numbers per object beyond box and class.
        extra_factor: (1,) or (extra_channels,) float32 that extra rows are multiplied by; empty: none.
        keypoint_shape: (points, 2 or 3); (0, 0) where extra rows are not key points.
        keypoint_gain: Key point = (raw * gain + center + shift) * stride.
        keypoint_shift: As above.
        proto: The mask prototypes; None without.
    """

    kind: str
    grids: tuple[GridLayout, ...]
    class_count: int
    reg_max: int
    max_objects: int
    score_threshold: float
    logit_threshold: float
    iou_threshold: float
    select_all: bool = False
    multi_label: bool = False
    end_to_end: bool = False
    raw_angle: bool = False
    extra_channels: int = 0
    extra_factor: Floats | None = None
    keypoint_shape: tuple[int, int] = (0, 0)
    keypoint_gain: float = 2.0
    keypoint_shift: float = -0.5
    proto: HeadLayout | None = None


def plan_block(layout: PlanLayout) -> tuple[PlanBlock, list[Any]]:
    """Return the kernel's parameters, and the arrays that they point into: those must live as long.

    Raises:
        ValueError: where the layout contradicts itself.
    """
    _check(layout)
    keep: list[Any] = []
    grids = (GridBlock * len(layout.grids))(*(_grid_block(grid, keep) for grid in layout.grids))
    keep.append(grids)
    block = PlanBlock(grids=ctypes.addressof(grids), kind=KINDS[layout.kind], grid_count=len(layout.grids))
    factor = _pinned(layout.extra_factor, keep)
    block.extra_factor, block.extra_factors = factor, 0 if layout.extra_factor is None else layout.extra_factor.size
    for name in (
        "class_count", "reg_max", "extra_channels", "select_all", "multi_label", "end_to_end", "raw_angle",
        "score_threshold", "logit_threshold", "iou_threshold", "keypoint_gain", "keypoint_shift",
    ):  # fmt: skip
        setattr(block, name, getattr(layout, name))
    block.points, block.point_values = layout.keypoint_shape
    if layout.proto is not None:
        block.proto_height, block.proto_width = layout.proto.shape[1:3]
    longest = max(head.channels for grid in layout.grids for head in grid.heads if head is not None)
    block.row_floats = max(longest, 4 * layout.reg_max)
    return block, keep


def _check(layout: PlanLayout) -> None:
    anchored, columns = layout.kind == "anchored", 5 + layout.class_count + layout.extra_channels
    for grid in layout.grids:
        anchors = 0 if grid.anchors_wh is None else len(grid.anchors_wh)
        expected = (
            (anchors * columns, None, None)
            if anchored
            else (layout.class_count, 4 * layout.reg_max, layout.extra_channels or None)
        )
        channels = tuple(None if head is None else head.channels for head in grid.heads)
        _require(channels == expected, f"stride {grid.stride} has {channels} channels", expected)
        _require(bool(anchors) == anchored, f"stride {grid.stride} has {anchors} anchors", layout.kind)
        limits = 0 if grid.limits is None else grid.limits.size
        numbers = 0 if grid.classes.dtype == np.float32 else anchors or grid.classes.channels
        _require(limits == numbers, f"stride {grid.stride} has {limits} limits", numbers)
        for head in grid.heads:
            same = head is None or (len(head.shape) == 4 and head.shape[:3] == grid.classes.shape[:3])
            shape = None if head is None else head.shape
            _require(same and min(grid.classes.shape) >= 1, f"a tensor of stride {grid.stride} is {shape}", "one grid")
            scales = 1 if head is None else head.scale.size
            _require(scales in (0, 1, head.channels if head else 1), f"{scales} scales", "none, one or one per channel")
    points, values = layout.keypoint_shape
    _require(points * values in (0, layout.extra_channels), f"{points} key points of {values}", layout.extra_channels)
    _require(values in (0, 2, 3), f"{values} numbers per key point", "2 or 3")
    _require(layout.extra_factor is None or layout.extra_factor.size in (1, layout.extra_channels), "factors", "one")
    masks = layout.extra_channels if layout.proto is None else layout.proto.channels
    _require(masks == layout.extra_channels, f"{masks} prototypes", layout.extra_channels)
    _require(layout.max_objects >= 1 and layout.class_count >= 1 and layout.reg_max >= 1, "no objects", "one or more")


def _require(condition: bool, what: str, expectation: object) -> None:
    if not condition:
        raise ValueError(f"{what}, expected {expectation}")


def _grid_block(grid: GridLayout, keep: list[Any]) -> GridBlock:
    channels = grid.classes.channels
    block = GridBlock(stride=grid.stride, height=grid.classes.shape[1], width=grid.classes.shape[2])
    block.classes, block.box, block.extra = (_head_block(head, keep) for head in grid.heads)
    block.block_cells = max(MIN_BLOCK_CELLS, -(-BLOCK_NUMBERS // channels))
    block.anchors, block.anchors_wh = (
        0 if grid.anchors_wh is None else len(grid.anchors_wh),
        _pinned(grid.anchors_wh, keep),
    )
    if grid.limits is not None:
        block.limits = _pinned(grid.limits, keep)
        bits = np.iinfo(grid.classes.dtype)
        if grid.anchors_wh is None and grid.limits.min() >= bits.min and grid.limits.max() <= bits.max:
            tiled = np.tile(grid.limits.astype(grid.classes.dtype), block.block_cells)
            block.block_limits = _pinned(tiled, keep)
    return block


def _head_block(head: HeadLayout | None, keep: list[Any]) -> HeadBlock:
    if head is None:
        return HeadBlock()
    scale = _pinned(head.scale, keep) if head.scale.size else None
    return HeadBlock(scale=scale, type=TYPES[head.dtype], channels=head.channels, scales=head.scale.size)


def _pinned(array: npt.NDArray[Any] | None, keep: list[Any]) -> int | None:
    """Return the address of a contiguous copy that `keep` holds."""
    if array is None or not array.size:
        return None
    copy = np.array(array, order="C")
    keep.append(copy)
    return int(copy.__array_interface__["data"][0])

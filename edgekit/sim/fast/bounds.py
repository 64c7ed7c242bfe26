"""Whether compiled kernels stay inside their buffers: asked once for every step of a plan, before C is entered.

The kernels trust their parameter blocks. So all that a block makes them read or write is worked out here from the
block itself, and held against the buffers and arrays that the step really has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.errors import DeviceError
from edgekit.sim.fast import structs
from edgekit.sim.fast.kernel_call import KernelStep
from edgekit.sim.fast.structs import LANES
from edgekit.sim.fast.tensor_view import Place

HINT = "report this graph as a fault of edgekit; EDGEKIT_NO_KERNELS=1 does without compiled kernels"
INT32_MAX = (1 << 31) - 1
DOT_BYTES = 4  # activations that a dot product takes at once
OUT_BYTES = {structs.OUT_U8: 1, structs.OUT_S16: 2, structs.OUT_S32: 4, structs.OUT_F32: 4}
E_BYTES = {structs.E_U8: 1, structs.E_S16: 2, structs.E_S32: 4}
PLAIN_OUTPUTS = {  # bits of the result -> kinds of output that take it without a table
    8: (structs.OUT_U8,),
    16: (structs.OUT_S16,),
    32: (structs.OUT_S32, structs.OUT_F32),
}
TABLES = {  # kind of table -> (bits of what is looked up, kind of output, bytes)
    structs.TABLE_8_TO_8: (8, structs.OUT_U8, 1 << 8),
    structs.TABLE_16_TO_16: (16, structs.OUT_S16, 2 << 16),
    structs.TABLE_16_TO_8: (16, structs.OUT_U8, 1 << 16),
    structs.TABLE_16_TO_F32: (16, structs.OUT_F32, 4 << 16),
}
BLEND_HEAD, BLEND_ROWS = 3, 7  # of the numbers of `blend_numbers`
BLEND_SHIFTS = {0: 31, 2: 31, 4: 31, 6: 30}  # the rows that are shifts, and the most they may be


def check_bounds(steps: Sequence[object], sizes: Mapping[str, int]) -> None:
    """Check that no kernel step touches anything outside its buffers and arrays.

    Args:
        steps: The steps of a plan; those that are no `KernelStep` need no check here.
        sizes: The bytes of every buffer, by the root of its places.

    Raises:
        DeviceError: where a step would, with its name.
    """
    for step in steps:
        if isinstance(step, KernelStep):
            CHECKS[str(getattr(step.kernel, "__name__", ""))](_Inspection(step, sizes))


class _Inspection:
    """One step, its parameter block and what it was given to work on."""

    def __init__(self, step: KernelStep, sizes: Mapping[str, int]) -> None:
        self.step, self.sizes = step, sizes
        self.block: Any = step.block

    def require(self, condition: bool, what: str) -> None:
        if not condition:
            raise DeviceError(
                f"the compiled kernel for {self.step.name} does not fit its buffers: {what}, expected it to fit",
                hint=HINT,
            )

    def within(self, low: int, high: int, *names: str) -> None:
        for name in names:
            value = getattr(self.block, name)
            self.require(low <= value <= high, f"{name} is {value}")

    def touches(self, what: str, place: Place | None, counts: tuple[int, int, int], run: int) -> None:
        """`counts` images, rows and pixels with `run` bytes each, by the block's strides, lie inside the buffer."""
        if place is None:
            self.require(False, f"{what} is missing")
            return
        strides, size = getattr(self.block, what), self.sizes.get(place.root, -1)
        steps = (strides.image, strides.row, strides.pixel)
        end = place.offset + sum((n - 1) * step for n, step in zip(counts, steps, strict=True)) + run
        self.require(
            min(*counts, run) >= 1 and min(steps) >= 0 and place.offset >= 0 and end <= size,
            f"{what} of {counts} ends at byte {end} of {size}",
        )

    def array(self, name: str, count: int) -> np.ndarray:
        """What the block's pointer `name` points to: an array that the step keeps, of at least `count` bytes."""
        pointer = getattr(self.block, name)
        found = [a for a in self.step.keep if a.nbytes and a.flags.c_contiguous and a.ctypes.data == pointer]
        size = max((array.nbytes for array in found), default=0)
        self.require(size >= count, f"{name} has {size} of {count} bytes")
        return max(found, key=lambda array: array.nbytes)

    def shifts(self, name: str, values: np.ndarray, low: int = 0, high: int = 31) -> None:
        least, most = values.min(initial=0), values.max(initial=0)
        self.require(low <= least and most <= high, f"{name} holds {least}..{most}")


def _conv(look: _Inspection) -> None:
    block = look.block
    _conv_places(look)
    taps = block.kernel_h * block.kernel_w
    look.require(taps * block.in_bytes <= INT32_MAX - DOT_BYTES, f"{taps} taps of {block.in_bytes} bytes")
    whole = block.in_bytes % DOT_BYTES == 0
    steps = taps * (block.in_bytes // DOT_BYTES) if whole else -(-taps * block.in_bytes // DOT_BYTES)
    look.array("weights", _lanes(look) * steps * DOT_BYTES)


def _depthwise(look: _Inspection) -> None:
    block = look.block
    _conv_places(look)
    channel = 2 if block.wide else 1
    look.require(
        block.in_bytes == block.out_c * channel, f"{block.in_bytes} bytes per pixel for {block.out_c} channels"
    )
    look.array("weights", block.kernel_h * block.kernel_w * block.out_c)


def _conv_places(look: _Inspection) -> None:
    """What both convolutions have: the image, the result, the fifth input and what the end of one needs."""
    block, step = look.block, look.step
    sizes = ("batch", "in_h", "in_w", "in_bytes", "out_h", "out_w", "out_c", "kernel_h", "kernel_w", "threads")
    look.within(1, INT32_MAX, *sizes, "stride_h", "stride_w", "dilation_h", "dilation_w")
    look.within(0, INT32_MAX, "pad_top", "pad_left")
    for axis in ("h", "w"):
        out, stride, kernel, dilation = (getattr(block, f"{n}_{axis}") for n in ("out", "stride", "kernel", "dilation"))
        reach = (out - 1) * stride + (kernel - 1) * dilation
        look.require(reach <= INT32_MAX, f"the window reaches {reach} pixels")
    made = (block.batch, block.out_h, block.out_w)
    look.require(block.out_kind in OUT_BYTES, f"out_kind is {block.out_kind}")
    look.touches("input", step.source, (block.batch, block.in_h, block.in_w), block.in_bytes)
    look.touches("output", step.target, made, block.out_c * OUT_BYTES[block.out_kind])
    lanes = 4 * _lanes(look)
    look.array("bias", lanes)
    if block.e_kind != structs.E_NONE:
        look.require(block.e_kind in E_BYTES, f"e_kind is {block.e_kind}")
        look.touches("e", step.extra, made, block.out_c * E_BYTES[block.e_kind])
        look.array("e_scale", lanes)
        look.shifts("e_shift", look.array("e_shift", lanes), low=-31)
    _conv_end(look, lanes)


def _conv_end(look: _Inspection, lanes: int) -> None:
    """The numbers behind the accumulator, and the table or unit behind those."""
    block = look.block
    look.require(block.bits in PLAIN_OUTPUTS, f"bits is {block.bits}")
    if block.bits != 32:
        look.array("scale", lanes)
        for name in ("right_shift", "out_shift"):
            look.shifts(name, look.array(name, lanes))
    if block.table_kind == structs.TABLE_NONE:
        look.require(block.out_kind in PLAIN_OUTPUTS[block.bits], f"{block.bits} bits for out_kind {block.out_kind}")
        if block.out_kind == structs.OUT_F32:
            look.array("unit", lanes)
        return
    look.require(block.table_kind in TABLES, f"table_kind is {block.table_kind}")
    bits, out_kind, size = TABLES[block.table_kind]
    look.require((block.bits, block.out_kind) == (bits, out_kind), f"{block.bits} bits for a table of {bits}")
    look.array("table", size)


def _lanes(look: _Inspection) -> int:
    """The output channels, filled up to whole blocks."""
    return int(-(-look.block.out_c // LANES) * LANES)


def _map(look: _Inspection) -> None:
    block = look.block
    _element_wise(look)
    if block.in_kind == 2:
        look.array("table", block.out_kind << 16)
    else:
        look.require(not (block.per_channel and block.out_kind == 2), "tables of 16 bits per channel")
        look.array("table", block.out_kind * 256 * (block.channels if block.per_channel else 1))


def _pairs(look: _Inspection) -> None:
    block = look.block
    look.require((block.in_kind, block.out_kind) == (1, 1), "pairs of more than 8 bits")
    _element_wise(look)
    look.touches("e", look.step.extra, (block.batch, block.height, block.width), block.channels)
    look.array("table", 256 * 256)


def _blend(look: _Inspection) -> None:
    block = look.block
    _element_wise(look)
    numbers = look.array("table", 4 * (BLEND_HEAD + BLEND_ROWS * block.channels)).reshape(-1)
    look.require(numbers.dtype == np.int32, f"its numbers are {numbers.dtype}")
    operation, nearest, e_bytes = (int(number) for number in numbers[:BLEND_HEAD])
    look.require(operation in (0, 1, 2) and nearest in (0, 1) and e_bytes in (1, 2), "an unknown operation")
    look.touches("e", look.step.extra, (block.batch, block.height, block.width), block.channels * e_bytes)
    rows = numbers[BLEND_HEAD:].reshape(BLEND_ROWS, -1)
    for row, high in BLEND_SHIFTS.items():
        look.shifts(f"row {row}", rows[row], high=high)


def _copy(look: _Inspection) -> None:
    block = look.block
    _map_sizes(look)
    look.within(1, INT32_MAX, "repeat_h", "repeat_w", "in_kind")
    rows, pixels = (block.height - 1) // block.repeat_h + 1, (block.width - 1) // block.repeat_w + 1
    look.touches("input", look.step.source, (block.batch, rows, pixels), block.channels * block.in_kind)
    _map_output(look, block.in_kind)


def _max_pool(look: _Inspection) -> None:
    block = look.block
    _map_sizes(look)
    look.within(1, INT32_MAX, "in_h", "in_w", "kernel_h", "kernel_w", "stride_h", "stride_w")
    look.within(0, INT32_MAX, "pad_top", "pad_left")
    look.within(1, 2, "in_kind")
    look.touches("input", look.step.source, (block.batch, block.in_h, block.in_w), block.channels * block.in_kind)
    _map_output(look, block.in_kind)


def _element_wise(look: _Inspection) -> None:
    """One element in, one out, at the same pixel and channel."""
    block = look.block
    _map_sizes(look)
    look.within(1, 2, "in_kind", "out_kind")
    counts = (block.batch, block.height, block.width)
    look.touches("input", look.step.source, counts, block.channels * block.in_kind)
    _map_output(look, block.out_kind)


def _map_sizes(look: _Inspection) -> None:
    look.within(1, INT32_MAX, "batch", "height", "width", "channels", "threads")


def _map_output(look: _Inspection, element: int) -> None:
    block = look.block
    look.touches("output", look.step.target, (block.batch, block.height, block.width), block.channels * element)


CHECKS: Mapping[str, Callable[[_Inspection], None]] = {
    "edgekit_conv": _conv,
    "edgekit_depthwise": _depthwise,
    "edgekit_map": _map,
    "edgekit_pairs": _pairs,
    "edgekit_blend": _blend,
    "edgekit_copy": _copy,
    "edgekit_max_pool": _max_pool,
}

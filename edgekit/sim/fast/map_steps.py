"""Element-wise operators, copies and poolings as kernel steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.sim.fast.kernel_call import KernelStep
from edgekit.sim.fast.structs import MapBlock
from edgekit.sim.fast.tensor_view import Place
from edgekit.sim.ops.window import Window


def map_step(
    library: Any, threads: int, name: str, table: np.ndarray, source: Place, target: Place, *, per_channel: bool = False
) -> KernelStep:
    """Every element by a table of bytes or of int16 (one table per channel where `per_channel`)."""
    block = _block(threads, source, target, per_channel=per_channel, table=table.ctypes.data)
    return KernelStep(name, library.edgekit_map, block, source, target, keep=(table,))


def pair_step(
    library: Any, threads: int, name: str, table: np.ndarray, source: Place, extra: Place, target: Place
) -> KernelStep:
    """Every pair of int8 elements by a table of 256 x 256 bytes."""
    block = _block(threads, source, target, e=extra.strides, table=table.ctypes.data)
    return KernelStep(name, library.edgekit_pairs, block, source, target, extra, keep=(table,))


def blend_step(
    library: Any, threads: int, name: str, numbers: np.ndarray, source: Place, extra: Place, target: Place
) -> KernelStep:
    """Two operands of 8 or 16 bits by arithmetic; `numbers` are those of `blend_numbers`."""
    block = _block(threads, source, target, e=extra.strides, table=numbers.ctypes.data)
    return KernelStep(name, library.edgekit_blend, block, source, target, extra, keep=(numbers,))


def copy_step(
    library: Any, threads: int, name: str, source: Place, target: Place, factor_hw: tuple[int, int] = (1, 1)
) -> KernelStep:
    """Pixels copied, each factor_hw times."""
    block = _block(threads, source, target, repeat_h=factor_hw[0], repeat_w=factor_hw[1])
    return KernelStep(name, library.edgekit_copy, block, source, target)


def pool_step(library: Any, threads: int, name: str, window: Window, source: Place, target: Place) -> KernelStep:
    block = _block(
        threads,
        source,
        target,
        kernel_h=window.kernel[0],
        kernel_w=window.kernel[1],
        stride_h=window.strides[0],
        stride_w=window.strides[1],
        pad_top=window.pads[0],
        pad_left=window.pads[1],
        in_h=source.shape[1],
        in_w=source.shape[2],
    )
    return KernelStep(name, library.edgekit_max_pool, block, source, target)


def _block(threads: int, source: Place, target: Place, **values: Any) -> MapBlock:
    n, height, width, channels = target.shape
    return MapBlock(
        input=source.strides,
        output=target.strides,
        batch=n,
        height=height,
        width=width,
        channels=channels,
        in_kind=source.dtype.itemsize,
        out_kind=target.dtype.itemsize,
        threads=threads,
        **values,
    )

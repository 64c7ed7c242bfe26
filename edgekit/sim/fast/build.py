"""The kernels of the simulated BPU: those of the wheel, or built from `bpu.c` at first use."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from edgekit.kernels.library import Kernels, load_kernels
from edgekit.kernels.source import KernelSource
from edgekit.sim.fast.structs import ABI, layout_checks

KERNELS = (
    "edgekit_conv", "edgekit_depthwise", "edgekit_lut", "edgekit_lut2", "edgekit_eltwise", "edgekit_copy",
    "edgekit_max_pool",
)  # fmt: skip


@functools.cache
def kernels() -> Kernels:
    """Return the kernels for this machine, or the reason why there are none; never raises."""
    return load_kernels(bpu_source())


def bpu_source() -> KernelSource:
    """Return `bpu.c` and what its library must offer."""
    return KernelSource("bpu", Path(__file__).with_name("bpu.c"), layout_checks(), ABI, _declare)


def _declare(library: ctypes.CDLL) -> None:
    for name in KERNELS:
        kernel = getattr(library, name)
        kernel.argtypes = [ctypes.c_void_p] * 4
        kernel.restype = ctypes.c_int

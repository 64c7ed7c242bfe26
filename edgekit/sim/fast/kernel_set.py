"""The compiled kernels of a library as calls on tensors: element-wise operators, copies and poolings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.sim.fast.kernel_call import KernelCall
from edgekit.sim.fast.structs import MapParams
from edgekit.sim.fast.tensor_view import TensorView
from edgekit.sim.ops.window import Window


@dataclass(frozen=True, slots=True)
class KernelSet:
    """Makes calls of the kernels in `library`, each with `threads` threads."""

    library: Any
    threads: int

    def lut(
        self, name: str, table: np.ndarray, source: TensorView, target: TensorView, *, per_channel: bool = False
    ) -> KernelCall:
        """Return a call that looks every element up.

        Args:
            name: The node's name.
            table: 256 or 65536 entries of the result's type, lowest input first; (C, 256) if `per_channel`.
            source: What is looked up.
            target: The result.
            per_channel: Whether every channel has a table of its own.
        """
        params = self._params(source, target, per_channel=per_channel, table=table.ctypes.data)
        return KernelCall(name, self.library.edgekit_lut, params, source, target, keep=(table,))

    def lut2(self, name: str, table: np.ndarray, source: TensorView, rhs: TensorView, target: TensorView) -> KernelCall:
        """Return a call that looks every pair of int8 elements up in a table of (256, 256) bytes."""
        params = self._params(source, target, rhs=rhs.strides, table=table.ctypes.data)
        return KernelCall(name, self.library.edgekit_lut2, params, source, target, rhs, keep=(table,))

    def eltwise(
        self, name: str, numbers: np.ndarray, source: TensorView, rhs: TensorView, target: TensorView
    ) -> KernelCall:
        """Return a call that computes an operation of two operands; `numbers` are those of `eltwise_numbers`."""
        params = self._params(source, target, rhs=rhs.strides, table=numbers.ctypes.data)
        return KernelCall(name, self.library.edgekit_eltwise, params, source, target, rhs, keep=(numbers,))

    def copy(
        self, name: str, source: TensorView, target: TensorView, factor_hw: tuple[int, int] = (1, 1)
    ) -> KernelCall:
        """Return a call that copies pixels, each `factor_hw` times along height and width."""
        params = self._params(source, target, repeat_h=factor_hw[0], repeat_w=factor_hw[1])
        return KernelCall(name, self.library.edgekit_copy, params, source, target)

    def max_pool(self, name: str, window: Window, source: TensorView, target: TensorView) -> KernelCall:
        """Return a call that takes the maximum of every window."""
        params = self._params(
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
        return KernelCall(name, self.library.edgekit_max_pool, params, source, target)

    def _params(self, source: TensorView, target: TensorView, **values: Any) -> MapParams:
        n, height, width, channels = target.shape
        return MapParams(
            input=source.strides,
            output=target.strides,
            batch=n,
            height=height,
            width=width,
            channels=channels,
            in_kind=source.dtype.itemsize,
            out_kind=target.dtype.itemsize,
            threads=self.threads,
            **values,
        )

"""The end of a convolution: from the 32-bit accumulator to 8 or 16 bits, rounding down twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.quant import sat, wrap32
from edgekit.sim.ops.reader import NodeReader
from edgekit.sim.tensor import INT_DTYPES


@dataclass(frozen=True, slots=True)
class Epilogue:
    """Per channel: `v = sat16(acc >> right_shift)`, relu, `y = sat_bits(wrap32(v * scale) >> out_shift)`."""

    right_shift: np.ndarray  # (C,) int64, as the next two
    scale: np.ndarray
    out_shift: np.ndarray
    bits: int
    relu: bool

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """Return int8 or int16 of an accumulator (..., C) int64."""
        v = sat(acc >> self.right_shift, 16)
        v = np.maximum(v, 0) if self.relu else v  # before the scale, which matters where that is negative
        return sat(wrap32(v * self.scale) >> self.out_shift, self.bits).astype(INT_DTYPES[self.bits])


@dataclass(frozen=True, slots=True)
class Accumulator:
    """`high_precision_output`: the 32-bit accumulator itself is the result."""

    relu: bool
    bits: int = 32

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """Return the accumulator (..., C) as int32."""
        return (np.maximum(acc, 0) if self.relu else acc).astype(np.int32)


def read_epilogue(node: NodeReader, channels: int) -> Epilogue | Accumulator:
    """The end of a convolution node, as its attributes say."""
    relu = read_relu(node)
    if node.flag("high_precision_output", 0):
        node.bits("output_bit", (32,), 32)
        node.ignore("right_shift", "scale", "out_shift")
        return Accumulator(relu)
    return Epilogue(
        right_shift=node.shifts("right_shift", channels),
        scale=node.per_channel("scale", channels),
        out_shift=node.shifts("out_shift", channels),
        bits=node.bits("output_bit", default=8),
        relu=relu,
    )


def read_relu(node: NodeReader) -> bool:
    """Return whether the node ends in a relu; other activations are refused."""
    return node.choice("activation", ("", "none", "NONE", "relu"), "") == "relu"

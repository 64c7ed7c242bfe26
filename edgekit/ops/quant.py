"""Integer arithmetic of the BPU: saturation, rounding shifts, 32-bit wrap-around, and the way back to floats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def sat(values: NDArray[np.integer], bits: int) -> Ints:
    """Clamp integers to signed `bits` bits.

    Args:
        values: Integers of any shape.
        bits: 8, 16 or 32.

    Returns:
        int64 in -2^(bits-1) .. 2^(bits-1) - 1.
    """
    limit = 1 << (bits - 1)
    clamped: Ints = np.clip(values, -limit, limit - 1).astype(np.int64)
    return clamped


def round_shift(values: ArrayLike, shift: ArrayLike) -> Ints:
    """Return values / 2^shift rounded to the nearest integer, halves towards +infinity.

    Args:
        values: Integers.
        shift: Bits, one or one per value; 0 is the identity.

    Returns:
        int64.
    """
    amount = np.asarray(shift, np.int64)
    half = (np.int64(1) << amount) >> np.int64(1)
    shifted: Ints = (np.asarray(values, np.int64) + half) >> amount
    return shifted


def wrap32(values: ArrayLike) -> Ints:
    """Return integers modulo 2^32, as a signed 32-bit register holds them.

    Args:
        values: Integers.

    Returns:
        int64 in -2^31 .. 2^31 - 1.
    """
    wrapped: Ints = np.asarray(values, np.int64).astype(np.int32).astype(np.int64)
    return wrapped


def shift_signed(values: NDArray[np.int64], shift: ArrayLike) -> Ints:
    """Return values << shift; a negative shift goes right and rounds down.

    Args:
        values: int64.
        shift: Bits, one or one per value.

    Returns:
        int64.
    """
    amount = np.asarray(shift, np.int64)
    shifted: Ints = (values << np.maximum(amount, 0)) >> np.maximum(-amount, 0)
    return shifted


def dequantize(ints: NDArray[np.integer], scale: NDArray[np.float32] | float, axis: int) -> NDArray[np.float32]:
    """Return float32(ints) * float32(scale), in float32 as the board's Dequantize does it.

    Args:
        ints: Integers of any shape.
        scale: One entry, or one per element of `ints` along `axis`.
        axis: Of the channels.

    Returns:
        float32 of the same shape.
    """
    factors: NDArray[np.float32] = np.asarray(scale, np.float32).reshape(-1)
    if factors.size > 1:
        factors = factors.reshape(tuple(-1 if i == axis % ints.ndim else 1 for i in range(ints.ndim)))
    product: NDArray[np.float32] = ints.astype(np.float32) * factors
    return product


def quantize(values: NDArray[np.floating], scale: NDArray[np.float32] | float, bits: int) -> Ints:
    """Return rint(float32(values) / float32(scale)), halves to even, saturated.

    Args:
        values: Floats of any shape; NaN and infinities give the minimum, which a float to integer conversion of the
            processor leaves behind for values it cannot hold.
        scale: One, or an array that fits `values`.
        bits: 8 or 16.

    Returns:
        int64 in -2^(bits-1) .. 2^(bits-1) - 1.
    """
    limit = 1 << (bits - 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steps = np.rint(values.astype(np.float32) / np.asarray(scale, np.float32))
    clipped = np.clip(np.where(np.isfinite(steps), steps, -limit), -limit, limit - 1)
    ints: Ints = clipped.astype(np.int64)
    return ints

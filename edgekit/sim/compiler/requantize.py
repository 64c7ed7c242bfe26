"""Real factors as the BPU's integers: a 15-bit multiplier, a right shift, and the offset that makes floors round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgekit.errors import ModelError

SCALE_MIN, SCALE_MAX = 1 << 14, (1 << 15) - 1
MAX_SHIFT = 31
V_MAX = (1 << 15) - 1  # the 16-bit value between the two shifts of an epilogue

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Multiplier:
    """`factor` is about `scale * 2^-shift`, entry by entry; scale is in 16384..32767 (or 0 for a factor of 0)."""

    scale: Ints
    shift: Ints


@dataclass(frozen=True, slots=True)
class Epilogue:
    """`y = ((acc + offset) >> right_shift) * scale >> out_shift`, every shift rounding down.

    `offset` belongs into the bias: half an output step, so that the last floor rounds to nearest. What the first one
    takes away, less than one of the 16-bit values in between, stays lost, as in the vendor's graphs.
    """

    right_shift: Ints
    scale: Ints
    out_shift: Ints
    offset: Floats


def multiplier(factor: ArrayLike, *, place: str = "a tensor") -> Multiplier:
    """The best 15-bit multiplier for each positive factor; factors below 2^-17 lose digits, then become 0.

    Raises ModelError naming `place` for a factor that no shift of 0 to 31 bits can hold.
    """
    values = np.atleast_1d(np.asarray(factor, np.float64))
    if not np.all(np.isfinite(values)) or values.min() < 0 or values.max() >= SCALE_MAX:
        raise ModelError(
            f"{place} needs a scale factor of {values.max():.6g}, expected 0 to {SCALE_MAX}",
            hint="the calibrated ranges do not fit together: look at the thresholds in the log",
        )
    mantissa, exponent = np.frexp(values)  # values = mantissa * 2^exponent, mantissa in [0.5, 1)
    scale = np.rint(mantissa * (1 << 15)).astype(np.int64)
    exponent = np.where(scale > SCALE_MAX, exponent + 1, exponent)
    scale = np.where(scale > SCALE_MAX, SCALE_MIN, scale)
    shift = 15 - exponent.astype(np.int64)
    excess = np.clip(shift - MAX_SHIFT, 0, 62)  # too small for the shifter: give up digits instead
    return Multiplier((scale + ((1 << excess) >> 1)) >> excess, shift - excess)


def epilogue(factor: ArrayLike, *, bits: int, least_shift: int = 0, place: str = "a tensor") -> Epilogue:
    """How an accumulator becomes `bits` bits: `factor` is accumulator scale over output scale, per channel.

    `right_shift` is the smallest from `least_shift` on that keeps every output in range clear of the 16-bit
    saturation in between.
    """
    values = np.atleast_1d(np.asarray(factor, np.float64))
    reach = ((1 << (bits - 1)) - 1) / np.maximum(values, 2.0**-MAX_SHIFT)  # the accumulator at the end of the range
    right_shift = np.maximum(np.ceil(np.log2(reach / V_MAX)), least_shift).astype(np.int64)
    result = multiplier(values * 2.0**right_shift, place=place)
    return Epilogue(right_shift, result.scale, result.shift, 0.5 / np.maximum(values, 2.0**-MAX_SHIFT))

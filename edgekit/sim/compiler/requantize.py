"""Real factors as the BPU's integers: a 15-bit multiplier, a right shift, and the offset that makes floors round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgekit.bpu import INT16_MAX, MAX_SHIFT, MULTIPLIER_MAX
from edgekit.errors import ModelError

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Multiplier:
    """`factor` is about `scale * 2^-shift`, entry by entry; scale is in 16384..32767 (or 0 for a factor of 0)."""

    scale: Int64Array
    shift: Int64Array


@dataclass(frozen=True, slots=True)
class EpilogueParams:
    """`y = ((acc + offset) >> right_shift) * scale >> out_shift`, every shift rounding down.

    `offset` belongs into the bias: half an output step, so that the last floor rounds to nearest. What the first one
    takes away, less than one of the 16-bit values in between, stays lost, as in the vendor's graphs.
    """

    right_shift: Int64Array
    scale: Int64Array
    out_shift: Int64Array
    offset: Float64Array


def multiplier(factor: ArrayLike, *, location: str = "a tensor") -> Multiplier:
    """The best 15-bit multiplier for each positive factor; factors below 2^-17 lose digits, then become 0.

    Raises ModelError naming `location` for a factor that no shift of 0 to 31 bits can hold.
    """
    values = np.atleast_1d(np.asarray(factor, np.float64))
    if not np.all(np.isfinite(values)) or values.min() < 0 or values.max() >= MULTIPLIER_MAX:
        raise ModelError(
            f"{location} needs a scale factor of {values.max():.6g}, expected 0 to {MULTIPLIER_MAX}",
            hint="the calibrated ranges do not fit together: look at the thresholds in the log",
        )
    mantissa, exponent = np.frexp(values)  # values = mantissa * 2^exponent, mantissa in [0.5, 1)
    scale = np.minimum(np.rint(mantissa * (1 << 15)), MULTIPLIER_MAX).astype(np.int64)  # as the vendor's compiler
    shift = 15 - exponent.astype(np.int64)
    excess = np.clip(shift - MAX_SHIFT, 0, 62)  # too small for the shifter: give up digits instead
    return Multiplier((scale + ((1 << excess) >> 1)) >> excess, shift - excess)


def epilogue_params(factor: ArrayLike, *, bits: int, min_shift: int = 0, location: str = "a tensor") -> EpilogueParams:
    """How an accumulator becomes `bits` bits: `factor` is accumulator scale over output scale, per channel.

    `right_shift` is the smallest from `min_shift` on that keeps every output in range clear of the 16-bit
    saturation in between.
    """
    values = np.atleast_1d(np.asarray(factor, np.float64))
    max_accumulator = ((1 << (bits - 1)) - 1) / np.maximum(
        values, 2.0**-MAX_SHIFT
    )  # the accumulator at the end of the range
    right_shift = np.maximum(np.ceil(np.log2(max_accumulator / INT16_MAX)), min_shift).astype(np.int64)
    result = multiplier(values * 2.0**right_shift, location=location)
    return EpilogueParams(right_shift, result.scale, result.shift, 0.5 / np.maximum(values, 2.0**-MAX_SHIFT))

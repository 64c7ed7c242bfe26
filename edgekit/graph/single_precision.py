"""Float32 functions to the last digit as the vendor's compiler calibrates with them: C's expf, not onnxruntime's Exp.

A threshold that differs in its last digit changes a multiplier or a bias by 1 here and there, and int8 rounding carries
that through the whole graph: two builds that differ so agree no better than 85 to 95 % with each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["expf", "inverse_root", "silu"]

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# As in glibc since 2.28 (Arm's optimized routines): exp(x) = 2^(k/32) * 2^(r/32), |r| <= 1/2, the latter a polynomial.
STEPS = 32
STEPS_PER_UNIT = float.fromhex("0x1.71547652b82fep+0") * STEPS  # log2(e) * 32
CUBIC = float.fromhex("0x1.c6af84b912394p-5") / STEPS**3
SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / STEPS**2
LINEAR = float.fromhex("0x1.62e42ff0c52d6p-1") / STEPS
LOWEST, HIGHEST = -152 * STEPS, 129 * STEPS  # beyond them the result is 0 or infinite
POWERS = 2.0 ** (np.arange(LOWEST, HIGHEST + 1) / STEPS)
UNIT = np.float32(1)
BLOCK = 1 << 15  # values at a time, so that they stay in the cache


def expf(x: Float32Array) -> Float32Array:
    """Return e to the power of `x`.

    Args:
        x: float32 values of any shape.

    Returns:
        float32 of the same shape, within .502 of the last digit: C's own.
    """
    return _blockwise(_expf, x)


def silu(x: Float32Array) -> Float32Array:
    """Return x * (1 / (1 + exp(-x))), each step rounded to float32.

    Args:
        x: float32 values of any shape.

    Returns:
        float32 of the same shape.
    """
    return _blockwise(_silu, x)


def inverse_root(x: Float32Array) -> Float32Array:
    """Return 1 over the square root, rounded once.

    Args:
        x: float32 values of any shape.

    Returns:
        float32 of the same shape.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse: Float32Array = (1 / np.sqrt(x, dtype=np.float64)).astype(np.float32)
    return inverse


def _blockwise(function: Callable[[Float32Array], Float32Array], x: Float32Array) -> Float32Array:
    flat = np.ascontiguousarray(x, np.float32).reshape(-1)
    result = np.empty_like(flat)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, flat.size, BLOCK):
            result[start : start + BLOCK] = function(flat[start : start + BLOCK])
    return result.reshape(np.shape(x))


def _expf(x: Float32Array) -> Float32Array:
    scaled: Float64Array = np.clip(x.astype(np.float64) * STEPS_PER_UNIT, LOWEST, HIGHEST)
    whole = np.rint(scaled)
    rest = scaled - whole
    power = POWERS[np.nan_to_num(whole).astype(np.int64) - LOWEST]
    value = ((CUBIC * rest + SQUARE) * (rest * rest) + (LINEAR * rest + 1.0)) * power
    return value.astype(np.float32)


def _silu(x: Float32Array) -> Float32Array:
    sigmoid = UNIT / (UNIT + _expf(-x))
    result: Float32Array = x * sigmoid
    return result

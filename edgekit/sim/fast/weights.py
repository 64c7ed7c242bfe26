"""Convolution weights and per-channel parameters in the order in which the kernels read them."""

from __future__ import annotations

import numpy as np

from edgekit.sim.fast.structs import LANES

STEP_BYTES = 4  # activations that a dot product takes at once


def pack_weights(weight: np.ndarray, *, int16: bool) -> np.ndarray:
    """(O, kh, kw, I) int8 to [block of 16 outputs][tap][step][output][activation of the step].

    A step is 4 int8 or 2 int16 activations. Where a pixel's channels are no whole number of steps, all taps
    count as one long tap. Missing outputs and activations get weight 0.
    """
    outputs, taps = weight.shape[0], weight.shape[1] * weight.shape[2]
    dtype = np.dtype(np.int16 if int16 else np.int8)
    per_step = STEP_BYTES // dtype.itemsize
    rows = weight.reshape(outputs, taps, -1)
    if rows.shape[2] % per_step:
        rows = rows.reshape(outputs, 1, -1)
    steps = -(-rows.shape[2] // per_step)
    blocks = -(-outputs // LANES)
    padded = np.zeros((blocks * LANES, rows.shape[1], steps * per_step), dtype)
    padded[:outputs, :, : rows.shape[2]] = rows
    packed = padded.reshape(blocks, LANES, rows.shape[1], steps, per_step).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(packed)


def pack_depthwise(weight: np.ndarray) -> np.ndarray:
    """(C, kh, kw, 1) int8 to (taps, C)."""
    return np.ascontiguousarray(weight.reshape(weight.shape[0], -1).T)


def per_lane(values: np.ndarray) -> np.ndarray:
    """One int32 per channel, modulo 2^32, filled up with zeros to whole blocks."""
    padded = np.zeros(-(-values.size // LANES) * LANES, np.int32)
    padded[: values.size] = values.astype(np.int64).astype(np.int32)
    return padded


def centered_bias(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """`bias` for activations stored as x + 128: sum (x + 128) * w = sum x*w + 128 * sum w."""
    centered: np.ndarray = bias - 128 * weight.reshape(weight.shape[0], -1).sum(axis=1, dtype=np.int64)
    return centered

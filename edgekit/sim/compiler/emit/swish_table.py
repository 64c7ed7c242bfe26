"""HzLut2Layer of SiLU as the vendor's compiler makes it: rows of equal curvature, in float32, to the last integer.

Found by comparing 63 tables of its builds (tuned yolov5n, yolo11n and yolov8n-seg): 4 of 26,712 numbers differ, by 1.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgekit.bpu import INT_MAX
from edgekit.graph.single_precision import silu
from edgekit.sim.compiler.emit.table_rows import ENTRIES, HIGH, LOW, ROWS, STEP, Lut2LayerTable

__all__ = ["swish_table"]

Float32Array = npt.NDArray[np.float32]
Line = tuple[int, int, int, int]  # scale, bias, left_shift, right_shift

REACH = np.float32(13)  # beyond it SiLU is 0 or x itself
GRID_SIZE = 257  # where a row may begin
MANTISSA = 15  # bits of a scale and of a bias
MAX_END_SHIFT = 16  # of the lines at both ends


def swish_table(x_scale: float, y_scale: float, *, bits: int) -> Lut2LayerTable | None:
    """Make the table of SiLU.

    Args:
        x_scale: Float value of the integer 1 of the input, 16 bits.
        y_scale: The same of the output.
        bits: Of the output, 8 or 16.

    Returns:
        The table; None for scales whose curvature is none or whose slopes are beyond their integers.
    """
    unit, y_unit = np.float32(x_scale), np.float32(y_scale)
    ends = np.float32(LOW) * unit, np.float32(HIGH) * unit
    low, high = max(ends[0], -REACH), min(ends[1], REACH)
    bounds = _row_bounds(low, high)
    if bounds is None or not np.all(np.isfinite(bounds)):
        return None
    integers = bounds / unit
    if np.any(np.diff(np.rint(integers)) <= 0):
        return None
    grids = [_grid(start, stop, ENTRIES) for start, stop in pairwise(bounds)]
    limit = INT_MAX[bits]
    rows = [np.clip(np.rint(silu(grid) / y_unit), -limit - 1, limit) for grid in grids]
    first = (ends[0], low) if ends[0] < low else (grids[0][0], grids[0][1])
    last = (high, ends[1]) if ends[1] > high else (grids[-1][-2], grids[-1][-1])
    lines = [
        _end_line(*first, x_scale / y_scale, y_scale),
        *(_row_line(start, stop) for start, stop in pairwise(integers)),
        _end_line(*last, x_scale / y_scale, y_scale),
    ]
    if any(abs(number) > HIGH + 1 for line in lines for number in line):
        return None
    scale, bias, left_shift, right_shift = np.array(lines, np.int64).T
    bound = np.array([*np.rint(integers).astype(np.int64), HIGH], np.int64)
    return Lut2LayerTable(bound, scale, bias, left_shift, right_shift, np.array(rows, np.int64))


def _row_bounds(low: np.float32, high: np.float32) -> Float32Array | None:
    """Seven numbers from `low` to `high`, between which the second differences add up to the same."""
    x = _grid(low, high, GRID_SIZE)
    curved = np.cumsum(np.abs(np.diff(silu(x), 2)))
    if not curved[-1] > 0:
        return None
    shares = curved[-1] * np.arange(1, ROWS, dtype=np.float32) / np.float32(ROWS)
    inner = x[np.searchsorted(curved, shares) + 2]
    bounds: Float32Array = np.concatenate([[low], inner, [high]]).astype(np.float32)
    return bounds


def _grid(start: np.float32, stop: np.float32, count: int) -> Float32Array:
    """`count` numbers at equal distances, each rounded to float32."""
    grid: Float32Array = np.arange(count, dtype=np.float32) * ((stop - start) / np.float32(count - 1)) + start
    grid[-1] = stop
    return grid


def _row_line(start: np.float32, stop: np.float32) -> Line:
    """How x from `start` to `stop`, in units of the input, runs over the entries of a row."""
    slope = float(np.float32(STEP) / ((stop - start) / np.float32(ENTRIES - 1)))
    _, exponent = np.frexp(slope)
    shift = MANTISSA - int(exponent)
    return (round(slope * 2.0**shift), *_bias(-float(start) * slope * 2.0**shift), shift)


def _end_line(first: np.float32, second: np.float32, unit_ratio: float, y_scale: float) -> Line:
    """The straight line through SiLU at two inputs, in units of the output."""
    at_first, at_second = silu(np.array([first, second], np.float32))
    slope = (at_second - at_first) / (second - first)
    factor = float(slope) * unit_ratio
    _, exponent = np.frexp(abs(factor))
    shift = min(max(MANTISSA - int(exponent), 0), MAX_END_SHIFT)
    return (round(factor * 2.0**shift), *_bias(float(at_first - slope * first) / y_scale * 2.0**shift), shift)


def _bias(offset: float) -> tuple[int, int]:
    """(bias, left_shift) of a number of any size."""
    _, exponent = np.frexp(abs(offset))
    shift = max(int(exponent) - MANTISSA, 0)
    return round(offset / 2.0**shift), shift

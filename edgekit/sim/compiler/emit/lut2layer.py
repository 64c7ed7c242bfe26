"""A function over int16 as six rows of 64 interpolated entries, laid where the function bends most."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from edgekit.sim.compiler.emit.functions import Function
from edgekit.sim.compiler.requantize_params import multiplier

ROWS, ENTRIES = 6, 64
STEP = 1 << 8  # positions between two entries
LOW, HIGH = -(1 << 15), (1 << 15) - 1
GRID = 1024  # distance of the places where a row may begin


@dataclass(frozen=True, slots=True)
class InterpolatedTable:
    """The attributes of HzLut2Layer: `bound` has 8 entries (the last repeats), rows are `table` (6, 64).

    Segment 0 (x at the lower bound) is a constant, rows 1..6 cover the rest, segment 7 is never reached.
    """

    bound: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    left_shift: np.ndarray
    right_shift: np.ndarray
    table: np.ndarray

    def attributes(self) -> dict[str, Any]:
        return {
            "rounding_method": "ROUND",
            "symmetry_mode": "NONE",
            "table_param": self.table.reshape(-1),
            "scale": self.scale,
            "bias": self.bias,
            "left_shift": self.left_shift,
            "right_shift": self.right_shift,
            "bound": self.bound,
        }


def interpolated_table(function: Function, x_scale: float, y_scale: float, *, bits: int) -> InterpolatedTable:
    """Rows for `function`; `x_scale` and `y_scale` are the float values of the integers 1."""
    limit = 1 << (bits - 1)

    def ints(x: np.ndarray) -> np.ndarray:
        return np.clip(function(x * x_scale) / y_scale, -limit, limit - 1)

    bounds = row_bounds(ints)
    lines = [_row_position(low, high) for low, high in pairwise(bounds)]
    rows = [np.rint(ints(_entry_places(line))) for line in lines]
    flat = _constant_line(float(np.rint(ints(np.array([float(LOW)]))[0])))
    scale, bias, left_shift, right_shift = np.array([flat, *lines, flat], np.int64).T
    bound = np.array([*bounds, HIGH], np.int64)
    return InterpolatedTable(bound, scale, bias, left_shift, right_shift, np.array(rows, np.int64))


def row_bounds(ints: Function) -> list[int]:
    """Seven ascending bounds, from LOW to HIGH, that make the worst interpolation error of a row smallest.

    The error of a straight line over a step h is at most h^2 / 8 times the second derivative.
    """
    places = np.append(np.arange(LOW, HIGH, GRID), HIGH)
    bend = _bend_per_cell(ints, places)
    count = places.size
    cost = np.full((count, count), np.inf)
    for start in range(count - 1):
        worst = np.maximum.accumulate(bend[start:])
        length = places[start + 1 :] - places[start]
        cost[start, start + 1 :] = worst * (length / (ENTRIES - 1)) ** 2 / 8
    best, choice = cost[0].copy(), np.zeros((ROWS, count), np.int64)
    for row in range(1, ROWS):
        through = np.maximum(best[:, None], cost)
        choice[row] = through.argmin(axis=0)
        best = through.min(axis=0)
    path = [count - 1]
    for row in range(ROWS - 1, 0, -1):
        path.append(int(choice[row, path[-1]]))
    return [int(places[i]) for i in [0, *reversed(path)]]


def _bend_per_cell(ints: Function, places: np.ndarray) -> np.ndarray:
    """The largest magnitude of the second derivative inside each cell between two places."""
    x = np.linspace(LOW, HIGH, 4097)
    second = np.abs(np.gradient(np.gradient(ints(x), x), x))
    cell = np.clip(np.searchsorted(places, x, side="right") - 1, 0, places.size - 2)
    bend = np.zeros(places.size - 1)
    np.maximum.at(bend, cell, second)
    return bend


def _row_position(low: int, high: int) -> tuple[int, int, int, int]:
    """(scale, bias, left_shift, right_shift) so that x from low to high runs over the entries of a row."""
    slope = multiplier((ENTRIES - 1) * STEP / (high - low))
    scale, right_shift = int(slope.scale[0]), int(slope.shift[0])
    offset = -low * scale
    left_shift = max(0, abs(offset).bit_length() - 15)
    bias = (offset + ((1 << left_shift) >> 1)) >> left_shift
    return scale, min(bias, HIGH), left_shift, right_shift


def _entry_places(line: tuple[int, int, int, int]) -> np.ndarray:
    """The x of each entry, as the integers of `line` place it."""
    scale, bias, left_shift, right_shift = line
    position = np.arange(ENTRIES) * STEP * 2.0**right_shift
    return (position - bias * 2.0**left_shift) / scale


def _constant_line(value: float) -> tuple[int, int, int, int]:
    return 0, int(value), 0, 0

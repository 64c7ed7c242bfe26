"""Functions of one tensor as tables: 256 entries (int8), or six rows of 64 interpolated entries (int16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from edgekit.errors import ModelError
from edgekit.graph.float_graph import FloatNode, unsupported
from edgekit.sim.compiler.emit.swish_table import swish_table
from edgekit.sim.compiler.emit.table_rows import ENTRIES, HIGH, LOW, ROWS, STEP, Lut2LayerTable
from edgekit.sim.compiler.emit.writer import GraphWriter
from edgekit.sim.compiler.requantize import multiplier

Function = Callable[[np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e^-x), without overflow at either end."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))  # no overflow at either end


def swish(x: np.ndarray) -> np.ndarray:
    """Return x * sigmoid(x)."""
    return np.asarray(x * sigmoid(x))


def hard_sigmoid(x: np.ndarray, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    """Return alpha * x + beta, clipped to 0..1 (ONNX HardSigmoid)."""
    return np.clip(alpha * x + beta, 0.0, 1.0)


def leaky_relu(x: np.ndarray, alpha: float = 0.01) -> np.ndarray:
    """Return x, below zero alpha * x (ONNX LeakyRelu)."""
    return np.where(x >= 0, x, alpha * x)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """Return x, below zero alpha * (e^x - 1) (ONNX Elu)."""
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


def exp(x: np.ndarray) -> np.ndarray:
    """Return e^x, where that is a float."""
    return np.asarray(np.exp(np.minimum(x, 700.0)))


def reciprocal(x: np.ndarray) -> np.ndarray:
    """Return 1 / x, infinite at 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / x)


def inverse_root(x: np.ndarray) -> np.ndarray:
    """Return 1 / sqrt(x), infinite at 0; below zero, where it has no value, minus infinity as the board's tables."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x < 0, -np.inf, 1.0 / np.sqrt(np.maximum(x, 0.0)))


FUNCTIONS: dict[str, Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]] = {
    "swish": lambda x, attrs: swish(x),
    "sigmoid": lambda x, attrs: sigmoid(x),
    "tanh": lambda x, attrs: np.tanh(x),
    "relu": lambda x, attrs: np.maximum(x, 0.0),
    "leaky_relu": lambda x, attrs: leaky_relu(x, attrs.get("alpha", 0.01)),
    "hard_swish": lambda x, attrs: x * hard_sigmoid(x, 1 / 6, 0.5),
    "hard_sigmoid": lambda x, attrs: hard_sigmoid(x, attrs.get("alpha", 0.2), attrs.get("beta", 0.5)),
    "elu": lambda x, attrs: elu(x, attrs.get("alpha", 1.0)),
    "clip": lambda x, attrs: np.clip(x, attrs["low"], attrs["high"]),
    "softplus": lambda x, attrs: np.logaddexp(0.0, x),
    "exp": lambda x, attrs: exp(x),
    "reciprocal": lambda x, attrs: reciprocal(x),
    "rsqrt": lambda x, attrs: inverse_root(x),
}


def table_function(node: FloatNode) -> Function:
    """The float function of a Table node, on float64 arrays."""
    name = str(node.attrs["function"])
    if name not in FUNCTIONS:
        raise ModelError(
            f"node {node.name!r} is the function {name!r}, expected one of {', '.join(FUNCTIONS)}",
            hint="compile with --toolchain hb_mapper",
        )
    return lambda x: FUNCTIONS[name](np.asarray(x, np.float64), node.attrs)


GRID = 1024  # distance of the places where a row may begin


def lut2layer_table(function: Function, x_scale: float, y_scale: float, *, bits: int) -> Lut2LayerTable:
    """Rows for `function`; `x_scale` and `y_scale` are the float values of the integers 1."""
    limit = 1 << (bits - 1)

    def integer_function(x: np.ndarray) -> np.ndarray:
        return np.clip(function(x * x_scale) / y_scale, -limit, limit - 1)

    bounds = row_bounds(integer_function)
    lines = [_row_position(low, high) for low, high in pairwise(bounds)]
    rows = [np.rint(integer_function(_entry_positions(line))) for line in lines]
    flat = _constant_line(float(np.rint(integer_function(np.array([float(LOW)]))[0])))
    scale, bias, left_shift, right_shift = np.array([flat, *lines, flat], np.int64).T
    bound = np.array([*bounds, HIGH], np.int64)
    return Lut2LayerTable(bound, scale, bias, left_shift, right_shift, np.array(rows, np.int64))


def row_bounds(integer_function: Function) -> list[int]:
    """Seven ascending bounds, from LOW to HIGH, that make the worst interpolation error of a row smallest.

    The error of a straight line over a step h is at most h^2 / 8 times the second derivative.
    """
    positions = np.append(np.arange(LOW, HIGH, GRID), HIGH)
    curvature = _max_curvature(integer_function, positions)
    count = positions.size
    cost = np.full((count, count), np.inf)
    for start in range(count - 1):
        worst = np.maximum.accumulate(curvature[start:])
        length = positions[start + 1 :] - positions[start]
        cost[start, start + 1 :] = worst * (length / (ENTRIES - 1)) ** 2 / 8
    best, choice = cost[0].copy(), np.zeros((ROWS, count), np.int64)
    for row in range(1, ROWS):
        through = np.maximum(best[:, None], cost)
        choice[row] = through.argmin(axis=0)
        best = through.min(axis=0)
    path = [count - 1]
    for row in range(ROWS - 1, 0, -1):
        path.append(int(choice[row, path[-1]]))
    return [int(positions[i]) for i in [0, *reversed(path)]]


def _max_curvature(integer_function: Function, positions: np.ndarray) -> np.ndarray:
    """The largest magnitude of the second derivative inside each cell between two places."""
    x = np.linspace(LOW, HIGH, 4097)
    second = np.abs(np.gradient(np.gradient(integer_function(x), x), x))
    cell = np.clip(np.searchsorted(positions, x, side="right") - 1, 0, positions.size - 2)
    curvature = np.zeros(positions.size - 1)
    np.maximum.at(curvature, cell, second)
    return curvature


def _row_position(low: int, high: int) -> tuple[int, int, int, int]:
    """(scale, bias, left_shift, right_shift) so that x from low to high runs over the entries of a row."""
    slope = multiplier((ENTRIES - 1) * STEP / (high - low))
    scale, right_shift = int(slope.scale[0]), int(slope.shift[0])
    offset = -low * scale
    left_shift = max(0, abs(offset).bit_length() - 15)
    bias = (offset + ((1 << left_shift) >> 1)) >> left_shift
    return scale, min(bias, HIGH), left_shift, right_shift


def _entry_positions(line: tuple[int, int, int, int]) -> np.ndarray:
    """The x of each entry, as the integers of `line` place it."""
    scale, bias, left_shift, right_shift = line
    position = np.arange(ENTRIES) * STEP * 2.0**right_shift
    return (position - bias * 2.0**left_shift) / scale


def _constant_line(value: float) -> tuple[int, int, int, int]:
    return 0, int(value), 0, 0


def emit_table(writer: GraphWriter, node: FloatNode) -> None:
    """HzLut for int8 inputs, HzLut2Layer for int16 ones."""
    x, y = node.inputs[0], node.output
    function = table_function(node)
    layout = writer.layout(x)
    source = writer.read(x, layout)
    target = writer.write(y, layout)
    kind = str(node.attrs["function"])
    if writer.bits(x) < writer.bits(y):
        raise unsupported(node, "would make int16 of int8", "give its input 16 bits, too")
    if writer.bits(x) == 8:
        table = table_int8(function, writer.scale(x), writer.scale(y))
        entries = writer.constant(f"{node.name}_table_params", table)
        writer.add("HzLut", node.name, [source, entries], [target], reads=x, lut_type=kind)
    else:
        rows = _rows(kind, function, writer.scale(x), writer.scale(y), bits=writer.bits(y))
        attrs = rows.attributes() | {"lut_type": kind, "output_bit": writer.bits(y)}
        writer.add("HzLut2Layer", node.name, [source], [target], reads=x, **attrs)


def _rows(kind: str, function: Function, x_scale: float, y_scale: float, *, bits: int) -> Lut2LayerTable:
    """The vendor's own rows of SiLU, ours of other functions."""
    rows = swish_table(x_scale, y_scale, bits=bits) if kind == "swish" else None
    return rows or lut2layer_table(function, x_scale, y_scale, bits=bits)


def table_int8(function: Function, x_scale: float, y_scale: float) -> np.ndarray:
    """Entry i is the rounded, saturated output for the integer i - 128."""
    x = (np.arange(256) - 128) * x_scale
    return np.clip(np.rint(function(x) / y_scale), -128, 127).astype(np.int8)

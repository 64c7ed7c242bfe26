"""SiLU in 16 bits: the vendor's own numbers for a range, rows of equal curvature, and how near they come to SiLU."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.graph.single_precision import silu
from edgekit.sim.compiler.emit.lut import _rows, swish
from edgekit.sim.compiler.emit.swish_table import swish_table
from edgekit.sim.compiler.emit.table_rows import HIGH, Lut2LayerTable
from edgekit.sim.ops.lut2layer import Lut2Layer
from edgekit.sim.tensor import int_type

INT8_Y = 127


def table_of(x_threshold: float, y_threshold: float, bits: int) -> Lut2LayerTable:
    largest = np.float32(HIGH if bits == 16 else INT8_Y)
    x_scale, y_scale = np.float32(x_threshold) / np.float32(HIGH), np.float32(y_threshold) / largest
    table = swish_table(float(x_scale), float(y_scale), bits=bits)
    assert table is not None
    return table


def test_a_range_within_the_reach_has_the_vendors_numbers() -> None:
    table = table_of(6.057934761047363, 6.043797016143799, 8)
    assert table.bound.tolist() == [-32768, -5632, -2304, 255, 2815, 6143, 32767, 32767]
    assert table.scale.tolist() == [-3, 19476, 19850, 25805, 25805, 19850, 19850, 258]
    assert table.bias.tolist() == [-30209, 19476, 27296, 29037, -25754, -27289, -29772, -30185]
    assert table.left_shift.tolist() == [2, 15, 12, 11, 8, 11, 12, 2]
    assert table.right_shift.tolist() == [16, 15, 12, 12, 12, 12, 15, 16]


def test_a_wider_range_is_divided_within_the_reach() -> None:
    table = table_of(128.8693084716797, 123.00432586669922, 16)
    assert table.bound.tolist() == [-3305, -258, -103, 26, 155, 310, 3305, 32767]
    assert table.scale.tolist() == [0, 21679, 26647, 31976, 31976, 26647, 22053, 17165]
    assert table.bias[0] == -571 and table.bias[-1] == -142


@pytest.mark.parametrize("x_threshold", [0.7, 2.7, 6.06, 12.9, 13.1, 40.0, 300.0])
@pytest.mark.parametrize("bits", [8, 16])
def test_it_is_near_silu(x_threshold: float, bits: int) -> None:
    y_threshold = float(silu(np.array([x_threshold], np.float32))[0])
    table = table_of(x_threshold, y_threshold, bits)
    operator = Lut2Layer(
        table.bound[:7], table.scale, table.bias, table.left_shift, table.right_shift, table.table, "NONE", bits,
        (int_type((1, 1, 1, 1), bits),),
    )  # fmt: skip
    x = np.arange(-32768, 32768).astype(np.int16)
    step = y_threshold / (HIGH if bits == 16 else INT8_Y)
    exact = swish(x * (x_threshold / HIGH)) / (y_threshold / INT8_Y)
    found = operator.run(x)[0] * (step / (y_threshold / INT8_Y))
    assert np.abs(found - exact).max() < (0.06 if bits == 16 else 1.05)  # of an int8 step


def test_slopes_beyond_their_integers_have_our_own_rows() -> None:
    assert swish_table(1e-6, 1e-12, bits=8) is None
    assert swish_table(1e-3, 1e-30, bits=16) is None
    assert swish_table(1e30, 1.0, bits=8) is None  # all of the curvature within one integer
    rows = _rows("swish", swish, 1e-6, 1e-12, bits=8)
    assert rows.bound[0] == -32768 and rows.table.shape == (6, 64)

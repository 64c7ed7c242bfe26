"""Interpolated tables against the function itself, over every int16."""

from itertools import pairwise

import numpy as np
import pytest

from edgekit.sim.compiler.emit.lut import lut2layer_table, row_bounds, sigmoid, swish
from edgekit.sim.compiler.emit.table_rows import HIGH, LOW, Lut2LayerTable
from edgekit.sim.ops.lut2layer import Lut2Layer

X = np.arange(LOW, HIGH + 1, dtype=np.int16)


def evaluate(table: Lut2LayerTable, bits: int = 16) -> np.ndarray:
    operator = Lut2Layer(
        bound=table.bound[:7],
        scale=table.scale,
        bias=table.bias,
        left_shift=table.left_shift,
        right_shift=table.right_shift,
        table=table.table,
        symmetry="NONE",
        bits=bits,
        outputs=(),
    )
    return operator.run(X)[0].astype(np.float64)


@pytest.mark.parametrize("reach", [1.0, 5.6, 20.0, 80.0])
@pytest.mark.parametrize("function", [swish, sigmoid, np.tanh])
def test_within_a_few_ten_thousandths_of_full_scale(function, reach: float) -> None:  # type: ignore[no-untyped-def]
    x_scale = reach / 32767
    truth = function(X * x_scale)
    y_scale = np.abs(truth).max() / 32767
    error = np.abs(evaluate(lut2layer_table(function, x_scale, y_scale, bits=16)) * y_scale - truth)
    assert error.max() / np.abs(truth).max() < 1e-3


def test_a_straight_line_is_exact_to_rounding() -> None:
    table = lut2layer_table(lambda x: 0.5 * x, 1e-4, 1e-4, bits=16)
    assert np.abs(evaluate(table) - 0.5 * X).max() <= 1.0


def test_saturates_to_the_output_width() -> None:
    found = evaluate(lut2layer_table(lambda x: 4.0 * x, 1.0, 1.0, bits=16))
    assert found.min() == -32768 and found.max() == 32767
    narrow = evaluate(lut2layer_table(lambda x: x, 1.0, 256.0, bits=8), bits=8)
    assert narrow.min() == -128 and narrow.max() == 127


def test_bounds_ascend_and_crowd_where_the_function_bends() -> None:
    bounds = row_bounds(lambda x: swish(x * 40 / 32767) * 800)
    assert bounds[0] == LOW and bounds[-1] == HIGH and len(bounds) == 7
    assert all(a < b for a, b in pairwise(bounds))
    assert np.diff(bounds)[np.searchsorted(bounds, 0) - 1] < np.diff(bounds).max() / 2


def test_attributes_have_the_dialects_sizes() -> None:
    attributes = lut2layer_table(swish, 1e-4, 1e-4, bits=16).attributes()
    assert len(attributes["table_param"]) == 384
    assert {len(attributes[name]) for name in ("scale", "bias", "left_shift", "right_shift", "bound")} == {8}

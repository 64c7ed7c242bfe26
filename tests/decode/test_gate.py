from __future__ import annotations

import numpy as np
import pytest

from edgekit.decode.gate import gate_cells, raw_threshold
from edgekit.decode.heads import HeadRows
from edgekit.ops.math import logit
from edgekit.spec import HeadSpec


def rows(values: np.ndarray, scale: tuple[float, ...]) -> HeadRows:
    dtype = str(values.dtype)
    return HeadRows(HeadSpec("class_8", "class", (1, 1, *values.shape), 8, dtype, scale), values)


def test_integer_threshold_by_hand() -> None:
    classes = rows(np.array([[10, 4], [11, 4], [10, 5]], np.int32), (0.1, 0.25))
    bound = 1 / (1 + np.exp(-1.05))  # logit 1.05: raw above 10 at scale 0.1, above 4 at scale 0.25
    assert raw_threshold(classes, bound) == 3  # the channel that passes first, and one for rounding
    assert gate_cells(classes, bound)[0].tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.999])
def test_gate_never_loses_a_cell(dtype: str, threshold: float) -> None:
    rng = np.random.default_rng(4)
    raw = rng.integers(-128, 127, (500, 5)).astype(dtype)
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.01, 0.2, 5))
    expected = np.flatnonzero((raw * np.asarray(scale) > logit(threshold)).any(axis=1))
    np.testing.assert_array_equal(gate_cells(rows(raw, scale), threshold)[0], expected)


def test_zero_takes_every_cell_even_at_minus_infinity() -> None:
    assert gate_cells(rows(np.full((4, 2), -np.inf, np.float32), ()), 0.0)[0].tolist() == [0, 1, 2, 3]


def test_nan_is_not_an_object() -> None:
    assert gate_cells(rows(np.full((4, 2), np.nan, np.float32), ()), 0.25)[0].tolist() == []

from __future__ import annotations

import numpy as np
import pytest

from edgekit.decode.heads import Head
from edgekit.decode.score_filter import BLOCK_CELLS as BLOCK
from edgekit.decode.score_filter import ScoreFilter, filter_reference, raw_limits
from edgekit.ops.math import logit
from edgekit.spec import HEAD_DTYPES, HeadSpec
from edgekit.text import check_choice


def head_of(values: np.ndarray, scale: tuple[float, ...] = ()) -> Head:
    shape = (1, 1, max(len(values), 1), values.shape[1])
    dtype = check_choice(values.dtype.name, HEAD_DTYPES, "dtype")
    spec = HeadSpec("class_8", "class", shape, 8, dtype, scale)
    return Head(spec, values.dtype, np.asarray(scale, np.float32))


def select(values: np.ndarray, scale: tuple[float, ...], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    return ScoreFilter(head_of(values, scale), threshold)(values)


def require_same(values: np.ndarray, scale: tuple[float, ...], threshold: float) -> None:
    cells, logits = select(values, scale, threshold)
    expected_cells, expected_logits = filter_reference(head_of(values, scale), values, threshold)
    np.testing.assert_array_equal(cells, expected_cells)
    np.testing.assert_array_equal(logits, expected_logits)


def test_integer_threshold_by_hand() -> None:
    values, scale = np.array([[10, 4], [11, 4], [10, 5]], np.int32), (0.1, 0.25)
    bound = 1 / (1 + np.exp(-1.05))  # logit 1.05: raw above 10 at scale 0.1, above 4 at scale 0.25
    limits = raw_limits(head_of(values, scale), bound)
    assert (limits.per_channel.tolist(), limits.lowest) == ([10, 4], 4)
    assert select(values, scale, bound)[0].tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32"])
@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, 500])
def test_gate_of_integers_is_the_definition(dtype: str, threshold: float, count: int) -> None:
    rng = np.random.default_rng(4)
    raw = rng.integers(-128, 128, (count, 5)).astype(dtype)
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.01, 0.2, 5))
    require_same(raw, scale, threshold)
    require_same(raw, scale[:1], threshold)


@pytest.mark.parametrize("count", [0, 1, BLOCK, 3 * BLOCK + 1])
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.9, 1.0])
def test_gate_of_floats_is_the_definition(threshold: float, count: int) -> None:
    values = np.random.default_rng(5).normal(-3, 2, (count, 4)).astype(np.float32)
    values[:: BLOCK + 3, 1] = np.nan
    values[1 :: BLOCK + 3, 2] = 4.0
    require_same(values, (), threshold)


@pytest.mark.parametrize("scale", [1e-7, 3.3e-5, 0.1, 7.0])
@pytest.mark.parametrize("threshold", [0.2, 0.25, 0.6])
def test_limits_are_exact_where_products_round(scale: float, threshold: float) -> None:
    """Integers around the limit, some beyond 2^24 where float32 no longer holds each of them."""
    near = int(logit(threshold) / scale)
    raw = np.arange(near - 300, near + 300, dtype=np.int32).reshape(-1, 1)
    expected = raw[:, 0].astype(np.float32) * np.float32(scale) > np.float32(logit(threshold))
    assert 0 < expected.sum() < len(raw)
    scales = (float(np.float32(scale)),)
    np.testing.assert_array_equal(raw[:, 0] > raw_limits(head_of(raw, scales), threshold).per_channel, expected)
    require_same(raw, scales, threshold)


def test_where_every_integer_passes_the_smallest_does_too() -> None:
    values = np.full((BLOCK, 2), -128, np.int8)
    assert len(select(values, (0.01, 0.02), 0.01)[0]) == BLOCK  # -128 * 0.02 is above logit(0.01), about -4.6


def test_zero_takes_every_cell_even_at_minus_infinity() -> None:
    assert select(np.full((4, 2), -np.inf, np.float32), (), 0.0)[0].tolist() == [0, 1, 2, 3]


def test_nan_is_not_an_object_and_hides_none() -> None:
    values = np.full((2 * BLOCK, 2), np.nan, np.float32)
    assert select(values, (), 0.25)[0].tolist() == []
    values[BLOCK + 3, 1] = 1.0
    assert select(values, (), 0.25)[0].tolist() == [BLOCK + 3]

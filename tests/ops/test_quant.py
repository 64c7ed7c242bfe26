"""Saturation, rounding shifts and wrap-around on both sides of every boundary."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hypothesis")  # on a board there is none

from hypothesis import given
from hypothesis import strategies as st

from edgekit.ops.quant import dequantize, quantize, round_shift, sat, shift_signed, wrap32


@pytest.mark.parametrize(
    ("value", "bits", "expected"),
    [(127, 8, 127), (128, 8, 127), (-128, 8, -128), (-129, 8, -128), (32768, 16, 32767), (-32769, 16, -32768)],
)
def test_sat(value: int, bits: int, expected: int) -> None:
    assert sat(np.array([value]), bits)[0] == expected


@pytest.mark.parametrize(
    ("value", "shift", "expected"), [(3, 1, 2), (-3, 1, -1), (5, 2, 1), (6, 2, 2), (-6, 2, -1), (-7, 2, -2), (9, 0, 9)]
)
def test_round_shift_halves_go_up(value: int, shift: int, expected: int) -> None:
    assert round_shift(value, shift) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (-(2**31) - 1, 2**31 - 1), (2**33 + 5, 5)]
)
def test_wrap32(value: int, expected: int) -> None:
    assert wrap32(value) == expected


@given(st.integers(-(2**40), 2**40))
def test_wrap32_is_the_remainder(value: int) -> None:
    assert (int(wrap32(value)) - value) % 2**32 == 0


@given(st.integers(-(2**40), 2**40), st.integers(0, 20))
def test_round_shift_is_floor_of_a_half_more(value: int, shift: int) -> None:
    assert int(round_shift(value, shift)) == (2 * value + 2**shift) // 2 ** (shift + 1)


def test_shift_signed_goes_both_ways() -> None:
    assert shift_signed(np.array([-5, -5]), [2, -1]).tolist() == [-20, -3]


def test_quantize_ties_go_to_even_and_nan_to_the_minimum() -> None:
    values = np.array([0.5, 1.5, -0.5, 200, -200, np.nan, np.inf, -np.inf], np.float32)
    assert quantize(values, 1.0, 8).tolist() == [0, 2, 0, 127, -128, -128, -128, -128]


def test_dequantize_per_channel_along_any_axis() -> None:
    ints = np.array([[1, 2], [3, 4]], np.int32)
    scale = np.array([10, 100], np.float32)
    assert dequantize(ints, scale, 1).tolist() == [[10, 200], [30, 400]]
    assert dequantize(ints, scale, -2).tolist() == [[10, 20], [300, 400]]
    assert dequantize(ints, 2.0, 0).dtype == np.float32
    assert dequantize(np.zeros((0, 2), np.int32), scale, 1).shape == (0, 2)

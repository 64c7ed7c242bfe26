"""Integers for real factors: hand-computed goldens, then that the floors round to nearest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import ModelError
from edgekit.sim.compiler.requantize import epilogue_params, multiplier


@pytest.mark.parametrize(
    ("factor", "scale", "shift"),
    [
        (0.5, 16384, 15),
        (1.0, 16384, 14),
        (1 / 3, 21845, 16),
        (0.00390625, 16384, 22),
        (1 - 2**-17, 32767, 15),  # 32767.75 has no 15 bits rounded up: the vendor takes the largest
        (2.0**-20, 2048, 31),  # below the shifter's reach: digits go instead
        (0.0, 0, 15),
    ],
)
def test_golden(factor: float, scale: int, shift: int) -> None:
    found = multiplier(factor)
    assert (found.scale[0], found.shift[0]) == (scale, shift)


@given(st.floats(2.0**-16, 30000.0))
def test_within_half_a_step_of_fifteen_bits(factor: float) -> None:
    found = multiplier(factor)
    assert 16384 <= found.scale[0] <= 32767 and 0 <= found.shift[0] <= 31
    assert abs(found.scale[0] / 2.0 ** found.shift[0] / factor - 1) <= 2**-15


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -1.0, 1e6])
def test_impossible_factors_are_refused_by_place(factor: float) -> None:
    with pytest.raises(ModelError, match="'conv_3' needs a scale factor") as caught:
        multiplier(factor, location="node 'conv_3'")
    assert caught.value.hint


@pytest.mark.parametrize(("factor", "right_shift"), [(0.01, 0), (0.001, 2), (1e-4, 6), (0.9, 0)])
def test_right_shift_is_the_least_that_does_not_saturate(factor: float, right_shift: int) -> None:
    end = epilogue_params(factor, bits=8)
    assert end.right_shift[0] == right_shift
    assert (127 / factor) / 2.0**right_shift <= 32767
    assert right_shift == 0 or (127 / factor) / 2.0 ** (right_shift - 1) > 32767


def test_right_shift_where_127_still_fits_and_128_does_not() -> None:
    """As in a graph of the vendor's: a factor of 32632 * 2^-23."""
    end = epilogue_params(32632 * 2.0**-23, bits=8)
    assert (end.right_shift[0], end.scale[0], end.out_shift[0]) == (0, 32632, 23)


def test_a_minimum_shift_is_kept() -> None:
    assert epilogue_params(0.01, bits=16, min_shift=8).right_shift[0] == 8
    assert epilogue_params(0.001, bits=16, min_shift=8).right_shift[0] == 10


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("factor", [0.73, 0.0312, 0.0011, 0.000047])
def test_the_offset_makes_the_last_floor_round_to_nearest(factor: float, bits: int) -> None:
    end = epilogue_params(factor, bits=bits)
    reach = (1 << (bits - 1)) / factor
    acc = np.linspace(-reach, reach, 20001).astype(np.int64)
    v = (acc + int(np.rint(end.offset[0]))) >> end.right_shift[0]
    y = (v * end.scale[0]) >> end.out_shift[0]
    error = y - acc * factor
    allowed = 0.5 + factor * 2.0 ** end.right_shift[0] + (1 << (bits - 1)) * 2.0**-15
    assert np.abs(error).max() <= allowed
    first_floor = factor * (2.0 ** end.right_shift[0] - 1) / 2  # what it takes away on average
    assert abs(error.mean() + first_floor) < 0.05 if factor < 0.1 else abs(error.mean()) < 0.4


def test_channels_are_independent() -> None:
    together = epilogue_params([0.01, 0.001], bits=8)
    alone = [epilogue_params(f, bits=8) for f in (0.01, 0.001)]
    for name in ("right_shift", "scale", "out_shift", "offset"):
        assert getattr(together, name).tolist() == [getattr(end, name)[0] for end in alone]

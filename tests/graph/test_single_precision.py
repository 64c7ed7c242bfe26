"""Float32 functions to the last digit: C's expf, where the computer has it, and within a digit of the exact value."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest

from edgekit.graph.single_precision import BLOCK, expf, inverse_root, silu

RNG = np.random.default_rng(0)
EXTREMES = np.array([0, -0.0, 88.72, 88.73, -87.4, -103.9, -104.1, -200, 1e30, -1e30, 1e-40], np.float32)
VALUES = np.concatenate([RNG.normal(0, 8, BLOCK + 7), RNG.uniform(-110, 95, 20_000), EXTREMES]).astype(np.float32)


def test_the_exponential_is_cs_own() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library than the one that the vendor's compiler runs on")
    name = ctypes.util.find_library("m")
    assert name is not None
    c_expf = ctypes.CDLL(name).expf
    c_expf.argtypes, c_expf.restype = [ctypes.c_float], ctypes.c_float
    sample = VALUES[::3]
    assert np.array_equal(expf(sample), np.array([c_expf(value) for value in sample.tolist()], np.float32))


def test_the_exponential_is_exact_but_for_a_last_digit() -> None:
    with np.errstate(over="ignore"):
        exact = np.exp(VALUES.astype(np.float64)).astype(np.float32)
    found = expf(VALUES)
    same = found == exact
    assert same.mean() > 0.99
    assert np.all(
        same | (found == np.nextafter(exact, np.float32(0))) | (found == np.nextafter(exact, np.float32(np.inf)))
    )


@pytest.mark.parametrize(
    ("value", "result"), [(np.inf, np.inf), (-np.inf, 0.0), (0.0, 1.0), (-0.0, 1.0), (-200.0, 0.0)]
)
def test_limits(value: float, result: float) -> None:
    assert expf(np.array([value], np.float32)).tolist() == [result]


def test_what_is_no_number_stays_none() -> None:
    assert np.isnan(expf(np.array([np.nan], np.float32))[0]) and np.isnan(silu(np.array([np.nan], np.float32))[0])


def test_silu_rounds_after_every_step() -> None:
    one = np.float32(1)
    with np.errstate(over="ignore", invalid="ignore"):
        stepwise = VALUES * (one / (one + expf(-VALUES)))
    assert np.array_equal(silu(VALUES), stepwise)
    shaped = silu(VALUES[:24].reshape(2, 3, 4))
    assert shaped.shape == (2, 3, 4) and np.array_equal(shaped.reshape(-1), stepwise[:24])
    assert silu(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_an_inverse_root_is_rounded_once() -> None:
    x = RNG.uniform(1e-3, 1e3, 5000).astype(np.float32)
    assert np.array_equal(inverse_root(x), (x.astype(np.longdouble) ** -0.5).astype(np.float32))
    assert inverse_root(np.array([0.0], np.float32)).tolist() == [np.inf]

"""Addresses of arrays: the quick way says what numpy says."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.kernels import addresses


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.float32, np.bool_])
def test_quick_address_is_numpys(dtype: type) -> None:
    whole = np.zeros((5, 7, 3), dtype)
    frozen = whole.copy()
    frozen.setflags(write=False)
    views = [whole, whole[2:], whole[:, ::-1], whole.T, whole[1, 2, 1:], frozen, np.empty((3, 0), dtype)]
    for view in views:
        assert addresses.address(view) == addresses.numpy_address(view)


def test_views_of_one_array_differ_by_their_offset() -> None:
    whole = np.arange(10, dtype=np.int32)
    assert addresses.address(whole[3:]) - addresses.address(whole) == 12

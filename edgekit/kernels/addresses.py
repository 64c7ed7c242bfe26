"""Where an array's numbers lie, without numpy's ctypes object: making one takes as long as a frame's suppression."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import numpy as np
import numpy.typing as npt

_HEADER_BYTES = object.__basicsize__  # numpy's array begins with Python's header, then the pointer to its data
_pointer_at = ctypes.c_void_p.from_address


def read_address(array: npt.NDArray[Any]) -> int:
    """Return where an array's first number lies, from the array object itself; CPython and numpy 1.x and 2.x only."""
    return _pointer_at(id(array) + _HEADER_BYTES).value or 0


def numpy_address(array: npt.NDArray[Any]) -> int:
    """Return where an array's first number lies, as numpy says."""
    return int(array.ctypes.data)


def _is_usual_layout() -> bool:
    if platform.python_implementation() != "CPython":
        return False
    whole = np.arange(12, dtype=np.int16).reshape(3, 4)
    return all(read_address(array) == numpy_address(array) for array in (whole, whole[1:, 2:], whole[::-1]))


address = read_address if _is_usual_layout() else numpy_address

"""A C source of kernels, and what a library made of it must offer."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KernelSource:
    """What is compiled, and how the library is held against what Python expects of it.

    Attributes:
        name: The stem of the library's file name.
        path: The C source; absent where only built libraries are installed.
        layout_checks: C that does not compile unless the structs are laid out as their Python mirrors.
        abi: What the library's `edgekit_abi()` must return.
        declare: Sets argument and result types of the library's functions.
    """

    name: str
    path: Path
    layout_checks: str
    abi: int
    declare: Callable[[ctypes.CDLL], None]

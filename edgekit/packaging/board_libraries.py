"""The compiled kernels for a board: those that came with this edgekit, else made by a compiler for its machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgekit.errors import ConfigError
from edgekit.kernels.compiler import find_compiler
from edgekit.kernels.levels import LEVELS, library_name
from edgekit.kernels.library import OFF
from edgekit.kernels.shipped import FOLDER
from edgekit.packaging.libraries import PURE, build_libraries, target_machine

BOARD_MACHINE = "aarch64"
BOARD_SOURCES = ("decode",)  # names of the kernel sources that the board ring calls
CROSS_COMPILER = "{machine}-linux-gnu-gcc"  # as Debian's gcc-aarch64-linux-gnu names it


def board_libraries(machine: str, folder: Path) -> list[Path]:
    """Put the libraries for `machine` into `folder`; return them, none where they cannot be had here.

    Args:
        machine: As `levels.LEVELS` names it.
        folder: Where they go; made where it is missing.
    """
    if os.environ.get(PURE) or os.environ.get(OFF):
        return []
    return [path for name in BOARD_SOURCES for path in _libraries(name, machine, folder)]


def compiler_for(machine: str) -> str | None:
    """Return a C compiler for `machine`: $CC or this machine's own, else Debian's cross compiler; None without one."""
    candidates = (find_compiler(), shutil.which(CROSS_COMPILER.format(machine=machine)))
    return next((path for path in candidates if path is not None and _compiles_for(path, machine)), None)


def _compiles_for(compiler: str, machine: str) -> bool:
    try:
        return target_machine(compiler) == machine
    except ConfigError:
        return False


def _libraries(name: str, machine: str, folder: Path) -> list[Path]:
    shipped = [FOLDER / library_name(name, machine, level.name) for level in LEVELS[machine]]
    if all(path.is_file() for path in shipped):
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copy(path, folder)) for path in shipped]
    compiler = compiler_for(machine)
    try:
        return [] if compiler is None else build_libraries(name, compiler, folder)
    except ConfigError:  # a compiler that does not work here: the board decodes by numpy
        return []

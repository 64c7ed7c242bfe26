"""Libraries that came with the wheel: the best one that this processor can run."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

from edgekit.kernels.levels import LEVELS, Level, library_name, machine_name

FOLDER = Path(__file__).with_name("lib")
LEVEL = "EDGEKIT_KERNEL_LEVEL"  # the name of a level: that one and none above it


def shipped_libraries(source: str, folder: Path = FOLDER) -> list[Path]:
    """Return the libraries of a source that this processor can run, best first; empty where none came along.

    Args:
        source: The name of the kernel source.
        folder: Where the wheel put its libraries.
    """
    machine = machine_name(platform.machine())
    levels = LEVELS.get(machine, ())
    plain = folder / library_name(source, machine, "baseline")
    if not levels or not plain.is_file():
        return []
    rank = _cpu_rank(plain)
    requested = os.environ.get(LEVEL)
    rank = min(rank, next((level.rank for level in levels if level.name == requested), rank))
    return [
        path for level in levels if level.rank <= rank and (path := _path(folder, source, machine, level)).is_file()
    ]


def _cpu_rank(plain: Path) -> int:
    """Ask the library that runs everywhere what this processor can do."""
    try:
        return int(ctypes.CDLL(str(plain)).edgekit_cpu_rank())
    except (OSError, AttributeError):
        return 0


def _path(folder: Path, source: str, machine: str, level: Level) -> Path:
    return folder / library_name(source, machine, level.name)

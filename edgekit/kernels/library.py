"""The library of a kernel source: the wheel's, else one compiled now, else the reason why there is none."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.kernels.cache import cache_folder
from edgekit.kernels.compiler import COMPILERS, cached_library, failure_text, find_compiler
from edgekit.kernels.shipped import shipped_libraries
from edgekit.kernels.source import KernelSource
from edgekit.text import printable

OFF = "EDGEKIT_NO_KERNELS"  # set to anything: do without compiled kernels
EXTRA_FLAGS = "EDGEKIT_KERNEL_FLAGS"  # compile with these flags, too: sanitizers, -DEDGEKIT_CHECK
# A compiler that does not know -march=native still gives right kernels.
VARIANTS: tuple[tuple[str, ...], ...] = (("-march=native",), ())


@dataclass(frozen=True, slots=True)
class Kernels:
    """The loaded library, or `library` None and the `reason` why there is none."""

    library: ctypes.CDLL | None
    reason: str = ""


def load_kernels(source: KernelSource) -> Kernels:
    """Load the kernels for this machine; never raises.

    The wheel's library comes first. Where there is none, or EDGEKIT_KERNEL_FLAGS asks for another, it is compiled,
    unless it is in the cache already.
    """
    if os.environ.get(OFF):
        return Kernels(None, f"{OFF} is set")
    try:
        extra = shlex.split(os.environ.get(EXTRA_FLAGS, ""))
    except ValueError as error:
        return Kernels(None, f"{EXTRA_FLAGS} cannot be split into flags ({error})")
    for path in [] if extra else shipped_libraries(source.name):
        opened = _open(source, path)
        if opened.library is not None:
            return opened
    if not source.path.is_file():
        return Kernels(None, "no library for this machine came with the package, nor the source to compile it from")
    compiler = find_compiler()
    if compiler is None:
        return Kernels(None, f"no C compiler on PATH (looked for {', '.join(COMPILERS)})")
    return compile_kernels(source, compiler, [(*variant, *extra) for variant in VARIANTS])


def compile_kernels(
    source: KernelSource, compiler: str, variants: Sequence[Sequence[str]], folder: Path | None = None
) -> Kernels:
    """Compile with the first of `variants` (extra flags) that compiles and loads.

    Args:
        source: What to compile.
        compiler: The path of the C compiler.
        variants: Flags beyond the fixed ones, the best first.
        folder: Where to keep the library; the user's cache where it is None.
    """
    reason = "no variant given"
    for extra in variants:
        try:
            opened = _open(source, cached_library(source, compiler, extra, folder or cache_folder()))
            if opened.library is not None:
                return opened
            reason = opened.reason
        except (OSError, subprocess.SubprocessError) as error:
            reason = failure_text(compiler, extra, error)
    return Kernels(None, printable(reason))


def _open(source: KernelSource, path: Path) -> Kernels:
    try:
        library = ctypes.CDLL(str(path))
        if library.edgekit_abi() != source.abi:
            return Kernels(None, f"{path} lays out its structures in another way")
        source.declare(library)
    except (OSError, AttributeError) as error:
        return Kernels(None, f"{path} cannot be loaded: {error}")
    return Kernels(library)

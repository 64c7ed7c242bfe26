"""The compiled kernels: built from `bpu.c` with the machine's C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.sim.fast.structs import ABI

SOURCE = Path(__file__).with_name("bpu.c")
FLAGS = ("-O3", "-std=gnu11", "-fwrapv", "-fno-strict-aliasing", "-shared", "-fPIC", "-pthread")
# A compiler that does not know -march=native still gives right kernels.
VARIANTS: tuple[tuple[str, ...], ...] = (("-march=native",), ())
TIMEOUT_S = 120
COMPILERS = ("cc", "gcc", "clang")
KERNELS = (
    "edgekit_conv", "edgekit_depthwise", "edgekit_map", "edgekit_pairs", "edgekit_blend", "edgekit_copy",
    "edgekit_max_pool",
)  # fmt: skip
OFF = "EDGEKIT_NO_KERNELS"  # set to anything: do without compiled kernels


@dataclass(frozen=True, slots=True)
class Kernels:
    """The loaded library, or `library` None and the `reason` why there is none."""

    library: ctypes.CDLL | None
    reason: str = ""


@functools.cache
def kernels() -> Kernels:
    """The kernels for this machine, built now if they are not in the cache; never raises."""
    if os.environ.get(OFF):
        return Kernels(None, f"{OFF} is set")
    compiler = next((found for name in COMPILERS if (found := shutil.which(os.environ.get("CC", name)))), None)
    if compiler is None:
        return Kernels(None, f"no C compiler on PATH (looked for {', '.join(COMPILERS)})")
    return build(compiler, VARIANTS)


def build(compiler: str, variants: Sequence[Sequence[str]], folder: Path | None = None) -> Kernels:
    """Builds with the first of `variants` (extra flags) that compiles and loads."""
    reason = "no variant given"
    for extra in variants:
        try:
            path = _library_path(compiler, extra, folder or cache_folder())
            if not path.exists():
                _compile(compiler, extra, path)
            library = ctypes.CDLL(str(path))
            if library.edgekit_abi() == ABI:
                _declare(library)
                return Kernels(library)
            reason = f"{path} lays out its structures in another way"
        except (OSError, subprocess.SubprocessError) as error:
            detail = getattr(error, "stderr", b"") or b""
            reason = f"{compiler} {shlex.join(extra)}: {error} {detail.decode(errors='replace')[-300:]}".strip()
    return Kernels(None, reason)


def cache_folder() -> Path:
    """Where built kernels are kept: $XDG_CACHE_HOME or ~/.cache, else a folder for temporary files."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "edgekit" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _private_temporary()


@functools.cache
def _private_temporary() -> Path:
    """A fresh folder that only this user can write to: a library is loaded from it."""
    return Path(tempfile.mkdtemp(prefix="edgekit-kernels-"))


def _library_path(compiler: str, extra: Sequence[str], folder: Path) -> Path:
    """Named after everything that decides its contents: source, flags, compiler, processor."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    parts = [SOURCE.read_bytes(), repr((*FLAGS, *extra)).encode(), version, _processor().encode()]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]
    return folder / f"bpu-{digest}.so"


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "\n".join(next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags"))


def _compile(compiler: str, extra: Sequence[str], path: Path) -> None:
    """Writes the library whole or not at all: another process may be building the same one."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        command = [compiler, *FLAGS, *extra, str(SOURCE), "-o", str(made)]
        subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
        made.replace(path)


def _declare(library: ctypes.CDLL) -> None:
    for name in KERNELS:
        kernel = getattr(library, name)
        kernel.argtypes = [ctypes.c_void_p] * 4
        kernel.restype = ctypes.c_int

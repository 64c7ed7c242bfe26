"""The compiled kernels: built from `bpu.c` with the machine's C compiler at first use, kept in the user's cache."""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.sim.fast.structs import ABI, layout_checks
from edgekit.text import printable

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
EXTRA_FLAGS = "EDGEKIT_KERNEL_FLAGS"  # more flags for the compiler: sanitizers, -DEDGEKIT_CHECK
CPU_KEYS = (  # lines of /proc/cpuinfo that -march=native depends on: x86, then aarch64
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip


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
    try:
        extra = shlex.split(os.environ.get(EXTRA_FLAGS, ""))
    except ValueError as error:
        return Kernels(None, f"{EXTRA_FLAGS} cannot be split into flags ({error})")
    return build(compiler, [(*variant, *extra) for variant in VARIANTS])


def build(compiler: str, variants: Sequence[Sequence[str]], folder: Path | None = None) -> Kernels:
    """Builds with the first of `variants` (extra flags) that compiles and loads."""
    reason = "no variant given"
    for extra in variants:
        try:
            path = _library(compiler, extra, folder or cache_folder())
            library = ctypes.CDLL(str(path))
            if library.edgekit_abi() == ABI:
                _declare(library)
                return Kernels(library)
            reason = f"{path} lays out its structures in another way"
        except (OSError, AttributeError, subprocess.SubprocessError) as error:
            detail = getattr(error, "stderr", b"") or b""
            reason = f"{compiler} {shlex.join(extra)}: {error} {detail.decode(errors='replace')[-300:]}".strip()
    return Kernels(None, printable(reason))


def cache_folder() -> Path:
    """Return where built kernels are kept: $XDG_CACHE_HOME or ~/.cache, else a private temporary folder.

    A library is loaded from here, so the folder must be an absolute path, belong to this user and let nobody else
    write, nor may everybody rename what is on the way to it; where that does not hold, or where there is no home, a
    fresh private folder serves this process alone.
    """
    folder = _cache_base()
    if folder is None:
        return _private_temporary()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        open_ways = [parent for parent in folder.resolve().parents if _is_open(parent)]
        if _is_private(folder) and not open_ways and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _private_temporary()


def _cache_base() -> Path | None:
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if named.is_absolute():  # the specification says to ignore relative ones
        return named / "edgekit" / "kernels"
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry in the passwd file
        return None
    return home / ".cache" / "edgekit" / "kernels" if home.is_absolute() else None


def _is_private(path: Path) -> bool:
    """Whether the folder or file is this user's own, is no link, and nobody else may write to it."""
    status = path.lstat()
    return (
        not stat.S_ISLNK(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _is_open(folder: Path) -> bool:
    """Whether everybody may rename and replace what lies in the folder; a sticky one, as /tmp is, protects it."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


@functools.cache
def _private_temporary() -> Path:
    """A fresh folder that only this user can write to, removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="edgekit-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _library(compiler: str, extra: Sequence[str], folder: Path) -> Path:
    """Return the library for this compiler, flags and processor, compiled now unless a sound one is kept.

    Its name ends in the hash of its own contents: what was cut off or changed since is never loaded.
    """
    key = _key(compiler, extra)
    for path in sorted(folder.glob(f"bpu-{key}-*.so")):
        if path.is_file() and _is_private(path) and path.stem.rpartition("-")[2] == _digest(path.read_bytes()):
            return path
        path.unlink(missing_ok=True)
    return _compile(compiler, extra, folder, key)


def _key(compiler: str, extra: Sequence[str]) -> str:
    """Hash everything that decides the library's contents: sources, flags, compiler, processor."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    parts = [SOURCE.read_bytes(), layout_checks().encode(), repr((*FLAGS, *extra)).encode(), version]
    return _digest(b"\0".join([*parts, processor().encode()]))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Describe what -march=native depends on: the kinds of cores this machine has, with all their features."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = {line for line in text.splitlines() if line.partition(":")[0].strip() in CPU_KEYS}
    return "\n".join([platform.machine(), platform.processor(), *sorted(lines)])


def _compile(compiler: str, extra: Sequence[str], folder: Path, key: str) -> Path:
    """Compile the kernels and keep them whole or not at all: another process may be building the same ones."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, made = Path(scratch) / "kernels.c", Path(scratch) / "kernels.so"
        source.write_text(f'#include "{SOURCE}"\n{layout_checks()}', encoding="utf-8")
        command = [compiler, *FLAGS, *extra, str(source), "-o", str(made)]
        subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
        path = folder / f"bpu-{key}-{_digest(made.read_bytes())}.so"
        made.chmod(0o700)
        made.replace(path)
    return path


def _declare(library: ctypes.CDLL) -> None:
    for name in KERNELS:
        kernel = getattr(library, name)
        kernel.argtypes = [ctypes.c_void_p] * 4
        kernel.restype = ctypes.c_int

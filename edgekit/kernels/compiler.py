"""Kernels compiled with the machine's C compiler at first use, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgekit.kernels.cache import is_private
from edgekit.kernels.levels import FLAGS
from edgekit.kernels.source import KernelSource

CPU_HEADER = Path(__file__).with_name("cpu.h")  # edgekit_cpu_rank(), in every library
TIMEOUT_S = 120
COMPILERS = ("cc", "gcc", "clang")
CPU_KEYS = (  # lines of /proc/cpuinfo that -march=native depends on: x86, then aarch64
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip


def find_compiler() -> str | None:
    """Return the path of the C compiler: $CC where it is set, else the first of COMPILERS; None where there is none."""
    return next((path for name in COMPILERS if (path := shutil.which(os.environ.get("CC", name)))), None)


def cached_library(source: KernelSource, compiler: str, extra: Sequence[str], folder: Path) -> Path:
    """Return the library for this compiler, flags and processor, compiled now unless a sound one is kept.

    Its name ends in the hash of its own contents: what was cut off or changed since is never loaded.

    Raises:
        OSError: where the source cannot be read, or the folder not written.
        subprocess.SubprocessError: where the compiler fails.
    """
    key = _key(source, compiler, extra)
    for path in sorted(folder.glob(f"{source.name}-{key}-*.so")):
        if path.is_file() and is_private(path) and path.stem.rpartition("-")[2] == _digest(path.read_bytes()):
            return path
        path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / "kernels.so"
        compile_library(source, compiler, extra, made)
        path = folder / f"{source.name}-{key}-{_digest(made.read_bytes())}.so"
        made.chmod(0o700)
        made.replace(path)  # whole or not at all: another process may be building the same one
    return path


def compile_library(source: KernelSource, compiler: str, extra: Sequence[str], target: Path) -> None:
    """Compile `source` and its layout checks into the shared library `target`.

    Raises:
        OSError: where the compiler cannot be started or `target` not be written.
        subprocess.SubprocessError: where the compiler fails or takes more than TIMEOUT_S seconds.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        unit = Path(scratch) / "kernels.c"
        includes = "".join(f'#include "{path}"\n' for path in (source.path, CPU_HEADER))
        unit.write_text(includes + source.layout_checks, encoding="utf-8")
        command = [compiler, *FLAGS, *extra, str(unit), "-o", str(target), "-lm"]
        subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Describe what -march=native depends on: the kinds of cores this machine has, with all their features."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = {line for line in text.splitlines() if line.partition(":")[0].strip() in CPU_KEYS}
    return "\n".join([platform.machine(), platform.processor(), *sorted(lines)])


def failure_text(compiler: str, extra: Sequence[str], error: Exception) -> str:
    """Return what went wrong with these flags: the error, and the end of what the compiler printed."""
    detail = getattr(error, "stderr", b"") or b""
    return f"{compiler} {shlex.join(extra)}: {error} {detail.decode(errors='replace')[-300:]}".strip()


def _key(source: KernelSource, compiler: str, extra: Sequence[str]) -> str:
    """Hash everything that decides the library's contents: sources, flags, compiler, processor."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    headers = [path.read_bytes() for path in sorted(source.path.parent.glob("*.h"))]
    texts = [source.path.read_bytes(), *headers, CPU_HEADER.read_bytes(), source.layout_checks.encode()]
    parts = [*texts, repr((*FLAGS, *extra)).encode(), version, processor().encode()]
    return _digest(b"\0".join(parts))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]

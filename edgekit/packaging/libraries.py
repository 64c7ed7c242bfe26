"""The compiled kernels that go into a wheel: one library for each source and instruction set.

Imports the standard library and the kernels' own modules alone: the build of a wheel has neither numpy nor cv2.
"""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sysconfig
from pathlib import Path

from edgekit.errors import ConfigError
from edgekit.kernels.compiler import TIMEOUT_S, compile_library, failure_text
from edgekit.kernels.levels import LEVELS, library_name, machine_name
from edgekit.kernels.source import KernelSource

PACKAGE = Path(__file__).resolve().parents[1]
SOURCES = {  # name -> C source, the module with its structs
    "bpu": ("sim/fast/bpu.c", "sim/fast/structs.py"),
    "decode": ("kernels/decode.c", "kernels/decode_structs.py"),
}
PURE = "EDGEKIT_PURE_WHEEL"  # set to anything: a wheel without compiled kernels
HINT = f"set CC to a working C compiler, or {PURE}=1 for a wheel without compiled kernels"


def wheel_source(name: str) -> KernelSource:
    """Return a source by its name, as `compile_library` takes it."""
    path, structs = SOURCES[name]
    spec = importlib.util.spec_from_file_location(f"edgekit_{name}_structs", PACKAGE / structs)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)  # by its path: its package imports numpy
    spec.loader.exec_module(module)
    return KernelSource(name, PACKAGE / path, module.layout_checks(), module.ABI, lambda library: None)


def target_triple(compiler: str) -> str:
    """Return what the compiler compiles for, e.g. `aarch64-linux-gnu`.

    Raises:
        ConfigError: where it does not tell.
    """
    try:
        done = subprocess.run([compiler, "-dumpmachine"], capture_output=True, check=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{compiler} does not tell what it compiles for ({error})", hint=HINT) from error
    return done.stdout.decode("ascii", errors="replace").strip()


def target_machine(compiler: str) -> str:
    """Return the machine that the compiler compiles for, as `levels.LEVELS` names it.

    Raises:
        ConfigError: where edgekit has no kernels for that machine.
    """
    machine = machine_name(target_triple(compiler).split("-")[0])
    if machine not in LEVELS:
        raise ConfigError(f"{compiler} compiles for {machine!r}, expected one of {', '.join(LEVELS)}", hint=HINT)
    return machine


def platform_tag(compiler: str) -> str:
    """Return the platform tag of a wheel with this compiler's libraries, e.g. `linux_aarch64`.

    Raises:
        ConfigError: where the compiler is a cross compiler for something other than Linux.
    """
    triple, machine = target_triple(compiler), target_machine(compiler)
    if machine == machine_name(platform.machine()):
        return sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if "linux" not in triple:
        raise ConfigError(f"{compiler} compiles for {triple}, expected Linux where it is a cross compiler", hint=HINT)
    return f"linux_{machine}"


def build_libraries(name: str, compiler: str, folder: Path) -> list[Path]:
    """Compile a source for every instruction set of the compiler's machine.

    Args:
        name: The source, one of SOURCES.
        compiler: The path of a C compiler, or of a cross compiler.
        folder: Where the libraries go; made where it is missing.

    Returns:
        The libraries, best instruction set first.

    Raises:
        ConfigError: where the compiler fails.
    """
    source, machine = wheel_source(name), target_machine(compiler)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for level in LEVELS[machine]:
        path = folder / library_name(name, machine, level.name)
        try:
            compile_library(source, compiler, level.flags, path)
        except (OSError, subprocess.SubprocessError) as error:
            reason = failure_text(compiler, level.flags, error)
            raise ConfigError(f"the kernels {name!r} do not compile: {reason}", hint=HINT) from error
        paths.append(path)
    return paths

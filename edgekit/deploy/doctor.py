"""What is here and what each gap costs: Python and its packages, the toolchain, a board and its libraries."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgekit.cores import cores
from edgekit.install_hints import UNRELATED_DISTRIBUTION, extra_hint, reinstall_hint, unrelated_distribution
from edgekit.version import __version__

OK, GAP, BROKEN = "ok", "gap", "broken"  # gap: optional and absent; broken: what edgekit cannot do without
MIN_PYTHON = (3, 10)
MIN_FREE_GB = 1.0
BOARD_NAMES = (
    Path("/proc/device-tree/model"),
    Path("/sys/class/socinfo/som_name"),
    Path("/sys/class/socinfo/board_id"),
)
GOVERNOR = Path("/sys/devices/system/cpu/cpufreq/policy0/scaling_governor")
BOARD_LIBRARIES = ("hobot_dnn", "hobot_dnn_rdkx5", "hbm_runtime")


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `cost` says what does not work where `state` is no OK, `cure` how to get it."""

    name: str
    state: str
    value: str
    cost: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that edgekit uses, by its import name."""

    module: str
    cost: str
    cure: str
    needed: bool = False


HOST = ""  # the host extra's packages
PACKAGES = (
    Package("numpy", "nothing runs", "pip install numpy", needed=True),
    Package("cv2", "no image can be read", "pip install opencv-python", needed=True),
    Package("rich", "no tables and progress bars", "pip install rich"),
    Package("onnx", "no cut, calibrate, compile, and no runs off the board", HOST),
    Package("onnxruntime", "no float reference", HOST),
    Package("yaml", "no calibrate, no compile", HOST),
    Package("pycocotools", "no eval", HOST),
    Package("jinja2", "no HTML report", HOST),
    Package("matplotlib", "no plot of edgekit bench (--no-plot does without)", HOST),
)


def examine() -> tuple[Check, ...]:
    """Check this machine; takes some seconds, because commands are called.

    Returns:
        All checks in the order in which a user needs them.
    """
    return tuple(check for group in GROUPS for check in group())


def healthy(checks: tuple[Check, ...]) -> bool:
    """Whether nothing that edgekit cannot do without is missing."""
    return not any(check.state == BROKEN for check in checks)


def as_dict(checks: tuple[Check, ...]) -> dict[str, Any]:
    """The checks as plain JSON values."""
    return {"healthy": healthy(checks), "checks": [asdict(c) for c in checks]}


def _python() -> Iterator[Check]:
    yield Check("edgekit", OK, __version__)
    if foreign := unrelated_distribution():
        value = f"another project's distribution {UNRELATED_DISTRIBUTION} {foreign} is installed"
        fix = f"pip uninstall {UNRELATED_DISTRIBUTION}, then install edgekit again: {reinstall_hint()}"
        yield Check("distribution name", GAP, value, "its files lie where edgekit's own are", fix)
    version = platform.python_version()
    where = f"{version} on {platform.system()} {platform.machine()}, {cores()} cores{_memory()}"
    if sys.version_info >= MIN_PYTHON:
        yield Check("Python", OK, where)
    else:
        yield Check("Python", BROKEN, where, "edgekit needs 3.10 or newer", "install a newer Python")


def _memory() -> str:
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return ""
    return f", {gigabytes:.1f} GB memory"


def _packages() -> Iterator[Check]:
    for package in PACKAGES:
        yield _package(package)


def _kernels() -> Iterator[Check]:
    """The fast execution of the simulated device, which a C compiler makes at first use."""
    from edgekit.sim.fast.build import kernels

    built = kernels()
    if built.library is not None:
        yield Check("fast simulation", OK, "compiled kernels")
    else:
        cost = "the simulated device gives the same integers many times slower"
        yield Check("fast simulation", GAP, built.reason, cost, "install a C compiler (gcc or clang)")


def _package(package: Package) -> Check:
    missing = BROKEN if package.needed else GAP
    try:
        module = importlib.import_module(package.module)
    except (ImportError, OSError) as error:  # OSError: a shared library that is not there
        absent = isinstance(error, ModuleNotFoundError) and error.name == package.module
        state_text = "not installed" if absent else f"cannot be imported: {str(error).splitlines()[0][:120]}"
        lacks_gl = package.module == "cv2" and "libGL" in str(error)
        cure = (
            "pip uninstall opencv-python; pip install opencv-python-headless"
            if lacks_gl
            else package.cure or extra_hint("host")
        )
        return Check(package.module, missing, state_text, package.cost, cure)
    version = str(getattr(module, "__version__", "") or _installed_version(package.module))
    if package.module == "onnxruntime":
        providers = (name.removesuffix("ExecutionProvider") for name in module.get_available_providers())
        version += f" (runs on {', '.join(providers)})"
    return Check(package.module, OK, version)


def _installed_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "installed"


def _toolchain() -> Iterator[Check]:
    from edgekit.compilation.toolchain.status import toolchain_status
    from edgekit.errors import EdgekitError

    try:
        status = toolchain_status()
    except EdgekitError as error:
        yield Check("toolchain", GAP, error.message, "no .bin for a board", error.hint)
        return
    usable = status.usable
    if usable is None:
        state_text = "; ".join(location.detail for location in status.locations)
        cost = "compile makes simulated models, no .bin for a board"
        yield Check("toolchain", GAP, state_text, cost, "edgekit toolchain install (2.8 GB)")
        return
    yield Check("toolchain", OK, f"{usable.kind}: {usable.detail}")
    if usable.simulator:
        yield Check("instruction simulator", OK, "hbdk-sim: edgekit run --device hbdk-sim, edgekit verify MODEL.bin")
    else:
        cost = "a compiled .bin itself cannot be run off the board (its quantized graph can)"
        yield Check("instruction simulator", GAP, "no hbdk-sim", cost, "edgekit toolchain install")


def _board() -> Iterator[Check]:
    names = [text for text in map(_text_of, BOARD_NAMES) if text]
    library = _board_library()
    if names and (library or "RDK" in " ".join(names).upper() or "D-ROBOTICS" in " ".join(names).upper()):
        yield Check("board", OK, ", ".join(names))
    else:
        cost = "models run on the simulated device: the same numbers, another speed"
        yield Check("board", GAP, "none: this is no RDK board", cost, "edgekit deploy makes the bundle to copy there")
        if library is None:
            return
    if library is None:
        cure = "sudo apt install hobot-dnn, or pip install hobot-dnn-rdkx5"
        yield Check("BPU library", GAP, f"none of {', '.join(BOARD_LIBRARIES)}", "no model runs on the BPU", cure)
    else:
        yield Check("BPU library", OK, library)
    governor = _text_of(GOVERNOR)
    if governor and governor != "performance":
        cure = f"echo performance | sudo tee {GOVERNOR}"
        yield Check("CPU clock", GAP, f"governor {governor}", "post-processing is slower and times scatter", cure)


def _board_library() -> str | None:
    for name in BOARD_LIBRARIES:
        try:
            module = importlib.import_module(f"{name}.pyeasy_dnn" if name.startswith("hobot") else name)
        except (ImportError, OSError):  # the PyPI package installs on a PC, and then cannot be loaded
            continue
        return f"{name} {getattr(module, '__version__', '')}".strip()
    return None


def _disk() -> Iterator[Check]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    value = f"{free_gb:.1f} GB free at {Path.cwd()}"
    if free_gb > MIN_FREE_GB:
        yield Check("disk", OK, value)
    else:
        yield Check("disk", GAP, value, "a build with its calibration set needs some hundred MB", "free some space")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""


GROUPS: tuple[Callable[[], Iterator[Check]], ...] = (_python, _packages, _kernels, _toolchain, _board, _disk)

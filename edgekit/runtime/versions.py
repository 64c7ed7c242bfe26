"""Whether what is installed on this board fits a model: checked by name and version before anything runs."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgekit.errors import DeviceError, NoBoardLibrary
from edgekit.requirements import MIN_PACKAGES, MIN_PYTHON
from edgekit.runtime.board import import_board_library
from edgekit.runtime.hrt import RuntimeVersions, has_hrt, run_hrt_versions
from edgekit.runtime.system import Board, read_board
from edgekit.spec import ModelSpec

OK, NOTE, BAD = "ok", "note", "bad"
NOT_AVAILABLE = "not available"


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """One requirement: what is here, what the model or the runtime expects; `state` is OK, NOTE or BAD."""

    name: str
    state: str
    value: str
    expected: str
    fix: str = ""


def check_versions(spec: ModelSpec, model: Path, *, board: Board | None = None) -> list[VersionCheck]:
    """Check board, RDK OS, Python, packages, the BPU library, and its version against the model's builder."""
    board = board or read_board()
    return [
        _board_check(spec, board),
        VersionCheck("RDK OS", OK if board.os_version else NOTE, board.os_version or NOT_AVAILABLE, "any"),
        _python_check(),
        *(_package_check(name, minimum) for name, minimum in MIN_PACKAGES.items()),
        _library_check(),
        *_builder_checks(spec, model),
    ]


def require_compatible(checks: list[VersionCheck]) -> None:
    """Raise DeviceError with the first check that is BAD."""
    bad = [check for check in checks if check.state == BAD]
    if bad:
        first = bad[0]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DeviceError(f"{first.name} is {first.value}, expected {first.expected}{more}", hint=first.fix)


def checks_to_dicts(checks: list[VersionCheck]) -> list[dict[str, Any]]:
    """Plain JSON values."""
    return [asdict(check) for check in checks]


def compare_builder(spec: ModelSpec, board: RuntimeVersions) -> list[VersionCheck]:
    """Compare the board's runtime with the versions that built the model, named by the sidecar or the model.

    An older runtime in the first two numbers cannot be trusted to load the model; other differences are noted.
    """
    pairs = (
        ("BPU runtime (HBRT)", board.hbrt, spec.tools.get("hbdk_runtime", "")),
        ("model runtime (DNN)", board.dnn, board.builder or spec.tools.get("hb_mapper", "")),
    )
    return [_compared(name, value, built) for name, value, built in pairs]


def _compared(name: str, value: str, built: str) -> VersionCheck:
    if not value or not built:
        return VersionCheck(name, NOTE, value or NOT_AVAILABLE, f"at least {built}" if built else "any")
    too_old = _numbers(value)[:2] < _numbers(built)[:2]
    state = BAD if too_old else OK if _numbers(value) >= _numbers(built) else NOTE
    fix = f"update RDK OS, or compile with the toolchain that fits version {value}" if state != OK else ""
    return VersionCheck(name, state, value, f"at least {built}, which built the model", fix)


def _builder_checks(spec: ModelSpec, model: Path) -> list[VersionCheck]:
    if not has_hrt():
        return compare_builder(spec, RuntimeVersions("", "", ""))
    try:
        return compare_builder(spec, run_hrt_versions(model))
    except DeviceError as error:
        return [VersionCheck("hrt_model_exec", NOTE, error.message, "a model that it loads", error.hint)]


def _board_check(spec: ModelSpec, board: Board) -> VersionCheck:
    expected = f"a board of march {spec.march}" if spec.march else "any"
    if not board.name:
        return VersionCheck("board", NOTE, board.model or "unknown", expected)
    value = f"{board.model} of march {board.march}"
    fits = not spec.march or board.march == spec.march
    fix = "" if fits else f"compile the model again with march {board.march}"
    return VersionCheck("board", OK if fits else BAD, value, expected, fix)


def _python_check() -> VersionCheck:
    good = sys.version_info[:2] >= MIN_PYTHON
    expected = ".".join(map(str, MIN_PYTHON))
    fix = "" if good else f"install Python {expected} or later"
    return VersionCheck("Python", OK if good else BAD, platform.python_version(), f"{expected} or later", fix)


def _package_check(name: str, minimum: tuple[int, ...]) -> VersionCheck:
    expected = ".".join(map(str, minimum)) + " or later"
    fix = "python3 -m pip install -r requirements.txt"
    try:
        value = str(getattr(import_module(name), "__version__", ""))
    except (ImportError, OSError) as error:
        return VersionCheck(name, BAD, f"{NOT_AVAILABLE} ({error})", expected, fix)
    good = _numbers(value) >= minimum
    return VersionCheck(name, OK if good else BAD, value, expected, "" if good else fix)


def _library_check() -> VersionCheck:
    expected = "pyeasy_dnn or hbm_runtime"
    try:
        return VersionCheck("BPU library", OK, import_board_library().__name__, expected)
    except NoBoardLibrary as error:
        fix = "RDK OS brings it; else python3 -m pip install hobot-dnn-rdkx5"
        return VersionCheck("BPU library", BAD, f"{NOT_AVAILABLE} ({error.message})", expected, fix)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])

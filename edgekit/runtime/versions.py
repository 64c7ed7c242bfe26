"""Whether what is installed on this board fits a model: checked by name and version before anything runs."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgekit.errors import DeviceError
from edgekit.runtime.hbm import import_hbm
from edgekit.runtime.hrt import RuntimeVersions, has_hrt, run_hrt_versions
from edgekit.runtime.pyeasy import import_pyeasy
from edgekit.runtime.system import Board, read_board
from edgekit.spec import ModelSpec

OK, NOTE, BAD = "ok", "note", "bad"
MIN_PYTHON = (3, 10)
MIN_PACKAGES = {"numpy": (1, 26), "cv2": (4, 5)}
NOT_AVAILABLE = "not available"


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """One thing: what was found, what the model or the runtime expects; `state` is OK, NOTE or BAD."""

    name: str
    state: str
    found: str
    expected: str
    cure: str = ""


def check_versions(spec: ModelSpec, model: Path, *, board: Board | None = None) -> list[VersionCheck]:
    """Board, RDK OS, Python, packages, the BPU library, and its version against the model's builder."""
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
    """Raises DeviceError with the first check that is BAD."""
    bad = [check for check in checks if check.state == BAD]
    if bad:
        first = bad[0]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DeviceError(f"{first.name} is {first.found}, expected {first.expected}{more}", hint=first.cure)


def checks_to_dicts(checks: list[VersionCheck]) -> list[dict[str, Any]]:
    """Plain JSON values."""
    return [asdict(check) for check in checks]


def compare_builder(spec: ModelSpec, board: RuntimeVersions) -> list[VersionCheck]:
    """The board's runtime against the versions that built the model, as the sidecar or the model itself says them.

    An older runtime in the first two numbers cannot be trusted to load the model; other differences are told.
    """
    pairs = (
        ("BPU runtime (HBRT)", board.hbrt, spec.tools.get("hbdk_runtime", "")),
        ("model runtime (DNN)", board.dnn, board.builder or spec.tools.get("hb_mapper", "")),
    )
    return [_compared(name, found, built) for name, found, built in pairs]


def _compared(name: str, found: str, built: str) -> VersionCheck:
    if not found or not built:
        return VersionCheck(name, NOTE, found or NOT_AVAILABLE, f"at least {built}" if built else "any")
    too_old = _numbers(found)[:2] < _numbers(built)[:2]
    state = BAD if too_old else OK if _numbers(found) >= _numbers(built) else NOTE
    cure = f"update RDK OS, or compile with the toolchain that fits version {found}" if state != OK else ""
    return VersionCheck(name, state, found, f"at least {built}, which built the model", cure)


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
    found = f"{board.model} of march {board.march}"
    fits = not spec.march or board.march == spec.march
    cure = "" if fits else f"compile the model again with march {board.march}"
    return VersionCheck("board", OK if fits else BAD, found, expected, cure)


def _python_check() -> VersionCheck:
    good = sys.version_info[:2] >= MIN_PYTHON
    wanted = ".".join(map(str, MIN_PYTHON))
    cure = "" if good else f"install Python {wanted} or later"
    return VersionCheck("Python", OK if good else BAD, platform.python_version(), f"{wanted} or later", cure)


def _package_check(name: str, minimum: tuple[int, ...]) -> VersionCheck:
    wanted = ".".join(map(str, minimum)) + " or later"
    cure = "python3 -m pip install -r requirements.txt"
    try:
        found = str(getattr(import_module(name), "__version__", ""))
    except (ImportError, OSError) as error:
        return VersionCheck(name, BAD, f"{NOT_AVAILABLE} ({error})", wanted, cure)
    good = _numbers(found) >= minimum
    return VersionCheck(name, OK if good else BAD, found, wanted, "" if good else cure)


def _library_check() -> VersionCheck:
    said = []
    for load in (import_pyeasy, import_hbm):
        try:
            return VersionCheck("BPU library", OK, load().__name__, "pyeasy_dnn or hbm_runtime")
        except DeviceError as error:
            said.append(error.message)
    cure = "RDK OS brings it; else python3 -m pip install hobot-dnn-rdkx5"
    return VersionCheck("BPU library", BAD, f"{NOT_AVAILABLE} ({'; '.join(said)})", "pyeasy_dnn or hbm_runtime", cure)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])

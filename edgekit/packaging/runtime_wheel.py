"""The board ring as a wheel of its own, `edgekit-rdk-runtime`, built by setuptools as the whole package's is.

python -m edgekit.packaging.runtime_wheel FOLDER
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgekit.board_ring import COMMAND_MODULES, PARTS
from edgekit.errors import EdgekitError, OutputError
from edgekit.files import atomic_path
from edgekit.packaging.board_libraries import BOARD_MACHINE, board_libraries
from edgekit.packaging.source_version import VERSION_FILE
from edgekit.requirements import PIP_REQUIREMENTS, PYTHON_REQUIRES
from edgekit.version import __commit__, __version__

PACKAGE = Path(__file__).resolve().parents[1]
NAME = "edgekit-rdk-runtime"
FIXED_TIME = "1577836800"  # 2020-01-01: the same sources give the same wheel
MODE = 0o644
TIMEOUT_S = 300
MAX_SHOWN = 300  # characters of what setuptools printed
HINT = "install edgekit again: its own files, setuptools or the temporary folder are not usable"


def runtime_files() -> dict[str, Path]:
    """Return every module of the board ring: name in the wheel -> source."""
    paths: list[Path] = []
    for name in (*PARTS, *COMMAND_MODULES):
        folder = PACKAGE / name
        paths += folder.rglob("*.py") if folder.is_dir() else [folder.with_name(f"{folder.name}.py")]
    return {f"edgekit/{path.relative_to(PACKAGE).as_posix()}": path for path in sorted(paths)}


def write_runtime_wheel(folder: Path, *, machine: str = BOARD_MACHINE) -> Path:
    """Write `edgekit_rdk_runtime-<version>-py3-none-<platform>.whl` into `folder`.

    It holds compiled kernels where this edgekit has them for `machine`, or a compiler for it is here; else it is a
    wheel for every platform.

    Args:
        folder: Where the wheel goes; made where it is missing.
        machine: What the wheel is for, as `levels.LEVELS` names it.

    Returns:
        The wheel.

    Raises:
        OutputError: where it cannot be built or written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-wheel-") as scratch:
            stage = Path(scratch)
            libraries = _fill(stage / "src", machine)
            wheel = _run_setuptools(stage, _project(f"linux_{machine}" if libraries else None))
            path = Path(folder) / wheel.name
            with atomic_path(path) as temporary:
                shutil.copyfile(wheel, temporary)
    except (OSError, subprocess.SubprocessError) as error:
        raise OutputError(f"the runtime's wheel cannot be built ({error})", hint=HINT) from error
    return path


def _fill(source: Path, machine: str) -> list[Path]:
    """Copy the ring and its libraries below `source`; return the libraries."""
    libraries = board_libraries(machine, source / "edgekit" / "kernels" / "lib")
    for name, path in runtime_files().items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (source / VERSION_FILE).write_text(f"{__version__} {__commit__}".strip() + "\n", encoding="ascii")
    for path in source.rglob("*.*"):
        path.chmod(MODE)
    return libraries


def _project(platform: str | None) -> dict[str, Any]:
    """Return what `runtime_setup` hands to setuptools; `platform` None is a wheel for all of them."""
    return {
        "platform": platform,
        "name": NAME,
        "version": __version__,
        "description": "The runtime of edgekit for the board",
        "license": "Apache-2.0",
        "python_requires": PYTHON_REQUIRES,
        "install_requires": list(PIP_REQUIREMENTS),
        "entry_points": {"console_scripts": ["edgekit = edgekit.cli.main:main"]},
    }


def _run_setuptools(stage: Path, project: dict[str, Any]) -> Path:
    """Build in a process of its own: setuptools works in the current folder and changes what it imports."""
    parts = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": FIXED_TIME,
        "PYTHONPATH": os.pathsep.join(part for part in parts if part),
    }
    command = [sys.executable, "-m", "edgekit.packaging.runtime_setup", json.dumps(project)]
    done = subprocess.run(command, cwd=stage, env=environment, capture_output=True, check=False, timeout=TIMEOUT_S)
    wheels = sorted((stage / "dist").glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        printed = done.stderr.decode(errors="replace").strip()[-MAX_SHOWN:]
        raise OSError(printed or f"setuptools ended with exit code {done.returncode}")
    return wheels[0]


def main(arguments: list[str]) -> int:
    """Write the wheel into the folder named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m edgekit.packaging.runtime_wheel FOLDER", file=sys.stderr)
        return 2
    try:
        print(write_runtime_wheel(Path(arguments[0])))
    except EdgekitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""The board ring of edgekit as a wheel: what a board installs, written from the installed package itself."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.files import atomic_path
from edgekit.version import __version__

PACKAGE = Path(__file__).resolve().parent.parent
MODULES = (
    "__init__",
    "__main__",
    "bundle",
    "datapath",
    "errors",
    "files",
    "labels",
    "lazy",
    "progress",
    "results",
    "spec",
    "text",
    "typed",
    "version",
    "cli/__init__",
    "cli/console",
    "cli/main",
    "cli/options",
    "cli/outputs",
    "cli/perf",
    "cli/run",
    "cli/source",
    "cli/run_summary",
)
FOLDERS = ("kernels", "ops", "decode", "runtime", "tracking", "output")
FIXED_TIME = (2020, 1, 1, 0, 0, 0)  # the same sources give the same wheel
MODE = 0o644 << 16
METADATA = f"""Metadata-Version: 2.1
Name: edgekit
Version: {__version__}
Summary: The runtime of edgekit for the board
Requires-Python: >=3.10
Requires-Dist: numpy>=1.26
Requires-Dist: opencv-python>=4.8
"""
WHEEL = """Wheel-Version: 1.0
Generator: edgekit
Root-Is-Purelib: true
Tag: py3-none-any
"""
ENTRY_POINTS = """[console_scripts]
edgekit = edgekit.cli.main:main
"""


def runtime_files() -> dict[str, Path]:
    """Name in the wheel -> source, of every module of the board ring."""
    paths = [PACKAGE / f"{name}.py" for name in MODULES]
    paths += [path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py")]
    return {f"edgekit/{path.relative_to(PACKAGE).as_posix()}": path for path in sorted(paths)}


def write_runtime_wheel(folder: Path) -> Path:
    """Writes `edgekit-<version>-py3-none-any.whl` into `folder`; raises OutputError where that fails."""
    path = Path(folder) / f"edgekit-{__version__}-py3-none-any.whl"
    info = f"edgekit-{__version__}.dist-info"
    try:
        contents = {name: source.read_bytes() for name, source in runtime_files().items()}
    except OSError as error:
        raise OutputError(f"the runtime's own files cannot be read ({error})", hint="install edgekit again") from error
    contents |= {
        f"{info}/METADATA": METADATA.encode(),
        f"{info}/WHEEL": WHEEL.encode(),
        f"{info}/entry_points.txt": ENTRY_POINTS.encode(),
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, MODE
            wheel.writestr(entry, data)
    return path


def _digest(data: bytes) -> str:
    """SHA-256 as wheels write it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

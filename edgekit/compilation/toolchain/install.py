"""The private environment: made on request step by step, gone on with after a break, removed on request."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.compilation.toolchain.find import RECORD_NAME, Toolchain, private_bin, private_folder, query_versions
from edgekit.compilation.toolchain.lock import exclusive_lock
from edgekit.compilation.toolchain.recipe import DISK_MB, PYTHON_VERSION, RECIPE_NAME, STEPS, InstallStep
from edgekit.compilation.toolchain.run import CommandLine, Finished, ask, run_command
from edgekit.errors import DataError, OutputError, ToolchainError
from edgekit.files import read_json, write_json, write_text
from edgekit.progress import Progress, silent
from edgekit.records import envelope

LOG_NAME = "install.log"
MB = 1_000_000
PIP_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)$")
PYTHON_QUESTION = (
    "import sys, platform, ensurepip, venv; print(sys.implementation.name, *sys.version_info[:2], platform.machine())"
)
PYTHON_ANSWER = f"cpython {PYTHON_VERSION[0]} {PYTHON_VERSION[1]} x86_64"


@dataclass(frozen=True, slots=True)
class InstallRecord:
    """What the environment's record file says: the finished steps, and the versions once all are.

    `begun` is a step that was started and not ended: pip takes what it left half-unpacked for installed.
    """

    recipe: str
    steps: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    begun: str = ""

    @property
    def complete(self) -> bool:
        """Whether every step of this recipe was finished."""
        return bool(self.versions) and self.recipe == RECIPE_NAME

    @property
    def remaining(self) -> tuple[InstallStep, ...]:
        """The steps that were not finished."""
        return tuple(step for step in STEPS if step.name not in self.steps)


def read_record() -> InstallRecord:
    """The record of the private environment; an empty one where there is none that can be read."""
    try:
        data = read_json(private_folder() / RECORD_NAME)
        if not isinstance(data, Mapping):
            return InstallRecord(RECIPE_NAME)
        steps, versions = tuple(data["steps"]), dict(data["versions"])
        return InstallRecord(str(data["recipe"]), steps, versions, str(data.get("begun", "")))
    except (DataError, KeyError, TypeError, ValueError):
        return InstallRecord(RECIPE_NAME)


def install(*, python: Path | None = None, progress: Progress = silent) -> Mapping[str, str]:
    """Make the private environment, or goes on with a broken install; returns the versions that it reports.

    `python`: a CPython 3.10 to build on (else one is looked for). Nothing is written outside `private_folder()`.
    Raises ToolchainError for a machine or Python that cannot, a failed download or commands that do not answer,
    OutputError for a disk that is too full.
    """
    check_machine()
    folder = private_folder()
    with _exclusive(folder):
        _make_folder(folder)
        record = read_record()
        if record.complete and private_bin().is_dir():
            return record.versions
        _check_room(folder, record)
        if not (private_bin() / "python").exists():
            record = InstallRecord(RECIPE_NAME)
            _make_environment(folder, find_python(python), progress)
        for step in record.remaining:
            _write_record(replace(record, begun=step.name))
            _install_step(folder, step, progress, reinstall=record.begun == step.name)
            record = InstallRecord(RECIPE_NAME, (*record.steps, step.name))
            _write_record(record)
        progress("check", 0, 1)
        versions = query_versions(Toolchain("private", str(private_bin())))
        _write_record(InstallRecord(RECIPE_NAME, record.steps, versions))
        progress("check", 1, 1)
        return versions


def uninstall() -> int:
    """Remove the private environment; returns the bytes freed, 0 where there was none."""
    folder = private_folder()
    if not folder.is_dir():
        return 0
    with _exclusive(folder):
        freed = folder_bytes(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(
                f"{error.filename or folder} cannot be removed ({error.strerror or error})",
                hint=f"check its rights, or remove {folder} by hand",
            ) from error
    return freed


def folder_bytes(folder: Path) -> int:
    """The size of all files below `folder`, links not followed."""
    return sum((Path(root) / name).lstat().st_size for root, _, names in os.walk(folder) for name in names)


def check_machine() -> None:
    """Raise ToolchainError if the vendor's packages cannot run: they are built for x86-64 Linux."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise ToolchainError(
            f"this machine is {sys.platform} on {platform.machine()}, the toolchain runs on x86-64 Linux alone",
            hint="compile with --toolchain docker where docker runs, or with --toolchain sim",
        )


def find_python(named: Path | None = None) -> Path:
    """A CPython 3.10 that can make environments: the one named, else on PATH, of pyenv or of uv."""
    candidates = [named] if named is not None else list(_python_candidates())
    for candidate in candidates:
        if (ask(CommandLine((str(candidate), "-c", PYTHON_QUESTION))) or "").strip() == PYTHON_ANSWER:
            return candidate
    tried = ", ".join(map(str, candidates)) or "nothing"
    raise ToolchainError(
        f"no CPython 3.10 for x86-64 with venv is here (tried {tried}), the vendor's packages need exactly that",
        hint="apt install python3.10 python3.10-venv, or pyenv install 3.10, or uv python install 3.10; "
        "name one elsewhere with --python",
    )


def _python_candidates() -> Iterator[Path]:
    if sys.version_info[:2] == PYTHON_VERSION:
        yield Path(sys.executable)
    on_path = shutil.which("python3.10")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.10.*/bin/python3.10"), reverse=True)
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local/share/uv/python"))
    yield from sorted(uv.glob("cpython-3.10.*/bin/python3.10"), reverse=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made ({error.strerror or error})",
            hint="check its rights, or set XDG_DATA_HOME to a folder that you may write to",
        ) from error


def _check_room(folder: Path, record: InstallRecord) -> None:
    """Report before the download that the disk is too small, not after it."""
    done_mb = sum(step.download_mb for step in STEPS if step.name in record.steps)
    needed_mb = max(DISK_MB - 2 * done_mb, 300)
    free_mb = shutil.disk_usage(folder).free // MB
    if free_mb < needed_mb:
        raise OutputError(
            f"{folder} has {free_mb} MB free, the toolchain needs about {needed_mb} MB",
            hint="free some disk space, or set XDG_DATA_HOME to a larger disk",
        )


def _make_environment(folder: Path, python: Path, progress: Progress) -> None:
    progress("environment", 0, 1)
    shutil.rmtree(folder / "venv", ignore_errors=True)  # half of one, from a broken start
    finished = run_command(
        CommandLine((str(python), "-m", "venv", str(folder / "venv"))), cwd=folder, log_path=folder / LOG_NAME
    )
    _require_success(finished, folder, "making the environment")
    progress("environment", 1, 1)


def _install_step(folder: Path, step: InstallStep, progress: Progress, *, reinstall: bool) -> None:
    """One pip call; its progress is that of the file that it downloads, in MB, and at its end 100 %.

    `reinstall`: whatever lies there of these packages is replaced.
    """
    requirements = folder / f"{step.name}.txt"
    write_text(requirements, step.requirements())
    raw = step is not STEPS[0]  # the first step brings the pip that knows these two options
    progress_bar = ("--progress-bar", "raw", "--resume-retries", "5") if raw else ("--progress-bar", "off")
    strategy = ("--require-hashes", "--no-deps", "--only-binary=:all:", *(("--force-reinstall",) if reinstall else ()))
    pip = (str(private_bin() / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir")
    command = CommandLine(
        (*pip, "--no-input", *progress_bar, *strategy, "-r", str(requirements)),
        {"PYTHONPATH": None, "PYTHONHOME": None, "PIP_USER": None, "PIP_TARGET": None, "PIP_REQUIRE_VIRTUALENV": None},
    )
    name = f"install {step.name}"
    progress(name, 0, step.download_mb)

    def on_line(line: str) -> None:
        if match := PIP_PROGRESS.match(line):
            progress(name, min(int(match[1]) // MB, step.download_mb), step.download_mb)

    finished = run_command(command, cwd=folder, log_path=folder / LOG_NAME, on_line=on_line)
    _require_success(finished, folder, f"installing {step.name}")
    progress(name, step.download_mb, step.download_mb)


def _require_success(finished: Finished, folder: Path, doing: str) -> None:
    if finished.returncode == 0:
        return
    error_lines = [line for line in finished.lines if line.lower().startswith("error") or "No space left" in line]
    reason = (error_lines or list(finished.lines[-1:]) or ["it said nothing"])[0][:300]
    full = any("No space left" in line for line in finished.lines)
    kind = OutputError if full else ToolchainError
    raise kind(
        f"{doing} failed ({reason})",
        hint="free some disk space and run the same command again: it goes on from here"
        if full
        else f"{folder / LOG_NAME} has the whole story; run the same command again: it goes on from here",
    )


def _write_record(record: InstallRecord) -> None:
    write_json(
        private_folder() / RECORD_NAME,
        {
            **envelope("toolchain-install"),
            "recipe": record.recipe,
            "steps": list(record.steps),
            "begun": record.begun,
            "versions": dict(record.versions),
        },
    )


def _exclusive(folder: Path) -> AbstractContextManager[None]:
    """Refuse a second install or uninstall at the same time."""
    busy = ToolchainError(
        f"another install or uninstall works in {folder}",
        hint="wait for it to end, then look at edgekit toolchain status",
    )
    return exclusive_lock(folder.parent / f".{folder.name}.lock", busy=busy)

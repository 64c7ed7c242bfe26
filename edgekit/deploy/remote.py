"""Taking a bundle to a board: a folder with runtime, scripts and bundle, carried by ssh and scp or by hand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.bundle import BUNDLE_NAME, Bundle, open_bundle
from edgekit.deploy.board_answer import ask, read_checks, read_perf
from edgekit.deploy.bundle_writer import check_output
from edgekit.errors import ConfigError, DeviceError, ModelError, OutputError
from edgekit.files import is_folder, resolved
from edgekit.packaging.runtime_wheel import write_runtime_wheel
from edgekit.progress import Progress, silent
from edgekit.text import printable

HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%\[\]-]*")  # never an option of ssh
REMOTE_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
BUNDLE_FOLDER = "bundle"
WHEELS = "edgekit*.whl"  # earlier ones were called edgekit, as the whole package
REPORT = "perf.json"
CONNECT_TIMEOUT_S = 20
STEP_TIMEOUT_S = 1800
SMOKE_FRAMES = 3
MAX_ERROR_CHARS = 100_000  # letters of what a failed step said
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}")
DATA_FOLDER = Path(sys.prefix) / "share" / "edgekit" / "board"  # where an installed edgekit has board/


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came back: the versions on the board, and its measurement unless it was not asked for."""

    host: str
    folder: str
    checks: list[dict[str, str]]
    perf: dict[str, Any] | None


def board_files() -> Path:
    """The folder `board/` of this edgekit: in a checkout, or where pip put it."""
    checkout = Path(__file__).resolve().parents[2] / "board"
    for folder in (checkout, DATA_FOLDER):
        if (folder / "install.sh").is_file():
            return folder
    raise ConfigError(
        f"the board's scripts are neither in {checkout} nor in {DATA_FOLDER}",
        hint="install edgekit again, or run from a checkout",
    )


def fill_folder(bundle_path: Path, folder: Path) -> Bundle:
    """Put runtime wheel, scripts and bundle into `folder`, new or empty: all that a board needs.

    Raises ModelError where the bundle is no bundle or was built by the simulated compiler, OutputError where
    `folder` holds something else, or the bundle itself.
    """
    bundle = open_for_board(bundle_path)
    _check_folder(folder, bundle)
    if (folder / BUNDLE_FOLDER).exists():
        check_output(folder / BUNDLE_FOLDER)
        shutil.rmtree(folder / BUNDLE_FOLDER)
    wheel = write_runtime_wheel(folder)  # first: by it the folder is known for ours, should this be killed
    try:
        for path in sorted(board_files().rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                target = folder / path.relative_to(board_files())
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        (folder / BUNDLE_FOLDER).mkdir()
        for path in (bundle.folder / BUNDLE_NAME, *bundle.files.values()):
            shutil.copyfile(path, folder / BUNDLE_FOLDER / path.name)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be filled ({error.strerror or error})", hint="free some disk space or choose another one"
        ) from error
    for old in folder.glob(WHEELS):
        if old != wheel:
            old.unlink()
    return bundle


def _check_folder(folder: Path, bundle: Bundle) -> None:
    """Raise OutputError unless `folder` is new, empty, or filled by us, and the bundle lies elsewhere."""
    if resolved(bundle.folder).is_relative_to(resolved(folder)):
        raise OutputError(
            f"{bundle.folder} lies in {folder}, where it would be replaced while it is read",
            hint="give --folder another folder",
        )
    if is_folder(folder) and (not any(folder.iterdir()) or any(folder.glob(WHEELS))):
        return
    if os.path.lexists(folder):
        raise OutputError(f"{folder} is not empty", hint="give --folder a new or empty folder")


def open_for_board(path: Path) -> Bundle:
    """The bundle at `path`; raises ModelError where no board runs it."""
    bundle = open_bundle(path)
    if bundle.simulated:
        raise ModelError(
            f"the bundle {path} was built by the simulated compiler, which no board runs",
            hint="deploy with --toolchain hb_mapper (edgekit toolchain install), then push again",
        )
    return bundle


def push(
    host: str,
    bundle_path: Path,
    *,
    folder: str = "edgekit",
    threads: int = 2,
    frames: int = 200,
    measure: bool = True,
    progress: Progress = silent,
) -> Pushed:
    """Copy runtime and bundle to a board over ssh, check versions, run a smoke test and measure.

    Args:
        host: USER@HOST as ssh takes it.
        bundle_path: The bundle, or its .tar.gz.
        folder: The folder in the home of USER.
        threads: Measure with 1, 2, ... threads.
        frames: Measured frames per number of threads.
        measure: Whether to measure after the smoke test.
        progress: Called with each stage.

    Returns:
        The checks of the board, and the measurement.

    Raises:
        DeviceError: A step failed; with the board's own two lines.
        ConfigError: The host or folder is impossible.
    """
    remote = Remote(host, folder)
    steps = ["connect", "copy", "install", "versions", "smoke test", *(["measure"] if measure else [])]

    def at(step: str) -> None:
        progress(f"push: {step}", steps.index(step), len(steps))

    at("connect")
    open_for_board(bundle_path)
    remote.ssh("connect", f"mkdir -p {shlex.quote(folder)} && python3 --version", inside=False)
    with tempfile.TemporaryDirectory(prefix="edgekit-push-") as temporary:
        staged = Path(temporary) / "staged"
        fill_folder(bundle_path, staged)
        at("copy")
        remote.copy(sorted(staged.iterdir()))
    at("install")
    remote.ssh("install", "sh install.sh")
    at("versions")
    checks = read_checks(remote.ssh("version check", f"python3 check.py --model {BUNDLE_FOLDER} --json"))
    at("smoke test")
    perf = f"python3 perf.py --model {BUNDLE_FOLDER} --device bpu"
    remote.ssh("smoke test", f"{perf} --frames {SMOKE_FRAMES} --warmup 1 --threads 1 --json")
    report = None
    if measure:
        at("measure")
        measurement = f"{perf} --frames {frames} --threads {threads} -o {REPORT} --json"
        report = read_perf(remote.ssh("measurement", measurement))
    progress("push: done", len(steps), len(steps))
    return Pushed(host, folder, checks, report)


class Remote:
    """A board behind ssh and scp; every command runs in its folder."""

    def __init__(self, host: str, folder: str) -> None:
        if not HOST.fullmatch(host):
            raise ConfigError(f"{host!r} is no host, expected USER@HOST or HOST", hint="push root@192.168.1.10 BUNDLE")
        if not REMOTE_FOLDER.fullmatch(folder) or ".." in Path(folder).parts:
            raise ConfigError(
                f"{folder!r} is no folder below the home on the board, expected a plain relative path",
                hint="leave --to away: it is edgekit",
            )
        self.host, self.folder = host, folder
        self._ssh, self._scp = _tool("ssh"), _tool("scp")

    def ssh(self, step: str, command: str, *, inside: bool = True) -> str:
        """Standard output of `command` on the board; what it says on failure becomes the error."""
        full = f"cd {shlex.quote(self.folder)} && {command}" if inside else command
        return self._run(step, [self._ssh, *SSH_OPTIONS, self.host, full])

    def copy(self, paths: Sequence[Path]) -> None:
        """Copy files and folders into the folder, over what is there."""
        self._run(
            "copy", [self._scp, *SSH_OPTIONS, "-r", "-q", *(str(p) for p in paths), f"{self.host}:{self.folder}/"]
        )

    def _run(self, step: str, command: list[str]) -> str:
        try:
            answer = ask(command, timeout_s=STEP_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise DeviceError(f"{step} on {self.host} failed ({error})", hint="try ssh by hand") from error
        if answer.code:
            raise _failed(step, self.host, answer.code, answer.errors)
        return answer.output


def _failed(step: str, host: str, code: int, stderr: str) -> DeviceError:
    """The board's own two lines where it printed them, else the last line of what was said."""
    lines = [line.strip() for line in printable(stderr, MAX_ERROR_CHARS).splitlines() if line.strip()]
    error = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), "")
    hint = next((line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")), "")
    if error:
        return DeviceError(f"{step} on {host} failed: {error[:1000]}", hint=hint[:1000] or "log in and try it by hand")
    last = lines[-1][:300] if lines else f"exit code {code}"
    unreachable = code == 255  # ssh's own failures, as its manual says
    return DeviceError(
        f"{step} on {host} failed: {last}",
        hint=f"set up a key with ssh-copy-id {host}, or carry a folder over with --folder DIR"
        if unreachable
        else "log in and try it by hand",
    )


def _tool(name: str) -> str:
    executable = shutil.which(name)
    if executable is None:
        raise DeviceError(
            f"{name} is not on PATH, expected an OpenSSH client",
            hint="install openssh-client, or fill a folder to carry over with --folder DIR",
        )
    return executable

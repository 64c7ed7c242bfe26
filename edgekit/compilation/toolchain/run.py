"""One command of the toolchain: run with its output as a stream, its log kept, its whole group stopped on Ctrl-C."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from edgekit.errors import OutputError, ToolchainError

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
READ_BYTES = 1 << 16
MAX_LINE_CHARS = 1 << 16  # the tools dump arrays; nothing that we look for stands behind the first 64 KiB
KEPT_LINES = 400  # the end of the output, for messages; the whole lies in the log
STOP_SECONDS = 5.0  # how long a stopped command may take to clean up before it is killed

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended: its exit code, wall time and the last lines of its output, colours taken out."""

    argv: tuple[str, ...]
    returncode: int
    seconds: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What to start; `env` adds variables (None takes one away), `stop_argv` ends it from outside (docker)."""

    argv: tuple[str, ...]
    env: Mapping[str, str | None] = field(default_factory=dict)
    stop_argv: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        """The whole environment of the command."""
        changed = {**os.environ, "PYTHONUNBUFFERED": "1", **self.env}
        return {name: value for name, value in changed.items() if value is not None}


def run_command(
    command: CommandLine,
    *,
    cwd: Path,
    log_path: Path | None = None,
    on_line: OnLine | None = None,
    timeout_seconds: float | None = None,
) -> Finished:
    """Run `command` in `cwd` to its end; every line, progress updates included, goes to `on_line` as it comes.

    The raw output is appended to `log_path`. Whatever ends this call early (Ctrl-C, SIGTERM, an error in
    `on_line`, a full disk, the timeout) first ends the command and all that it started.
    Raises ToolchainError where it cannot be started or takes too long, OutputError where the log cannot be written.
    """
    started = time.monotonic()
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    with _log(log_path) as write, _terminated_like_interrupt(), _process(command, cwd) as process:
        with _deadline(process, timeout_seconds) as expired:
            for line in _lines(process, write):
                kept.append(line)
                if on_line is not None:
                    on_line(line)
            returncode = process.wait()
        if expired.is_set():
            raise ToolchainError(
                f"{Path(command.argv[0]).name} did not end within {timeout_seconds:.0f} s",
                hint="try it by hand with the same arguments (see --debug), then run the command again",
            )
    return Finished(command.argv, returncode, time.monotonic() - started, tuple(kept))


def ask(command: CommandLine, *, timeout_seconds: float = 60.0, even_failed: bool = False) -> str | None:
    """The output of a short question such as `--version`; None where the command is missing or fails.

    `even_failed`: also the output of a command that fails.
    """
    try:
        with tempfile.TemporaryDirectory() as cwd:  # some tools leave a log where they are called
            finished = run_command(command, cwd=Path(cwd), timeout_seconds=timeout_seconds)
    except (ToolchainError, OSError):
        return None
    return "\n".join(finished.lines) if finished.returncode == 0 or even_failed else None


def plain_line(raw: str) -> str:
    """`raw` without colours and trailing blanks, and without what a dumped array adds behind 64 KiB."""
    return ANSI.sub("", raw[:MAX_LINE_CHARS]).rstrip()


def _lines(process: subprocess.Popen[bytes], write: Callable[[bytes], None]) -> Iterator[str]:
    """Lines as they come; a carriage return ends one too, since progress bars write nothing else."""
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while block := os.read(process.stdout.fileno(), READ_BYTES):
        write(block)
        *whole, rest = re.split(r"[\r\n]", rest + decoder.decode(block))
        yield from (line for line in map(plain_line, whole) if line)
        rest = rest[:MAX_LINE_CHARS]
    if plain_line(rest):
        yield plain_line(rest)


@contextlib.contextmanager
def _process(command: CommandLine, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The started command in a group of its own, which is gone when this block is left."""
    held = _HeldInterrupts()
    try:
        process = _started(command, cwd)
    except BaseException:
        held.release()
        raise
    try:
        held.release(raise_it=True)  # only now would an interrupt find the process to end
        yield process
    except BaseException:
        with _undisturbed():
            _stop_container(command.stop_argv)
        raise
    finally:
        with _undisturbed():
            _stop_group(process)


def _started(command: CommandLine, cwd: Path) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=cwd,
            env=command.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolchainError(
            f"{command.argv[0]} cannot be started ({error.strerror or error})",
            hint="run edgekit doctor: it shows which toolchain is here and which is not",
        ) from error


class _HeldInterrupts:
    """Holds SIGINT and SIGTERM back from its making to its release; other threads than the main one get none.

    Blocking them would not do: a command inherits what is blocked.
    """

    def __init__(self) -> None:
        self._came = False
        main = threading.current_thread() is threading.main_thread()
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)} if main else {}

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._came = True

    def release(self, *, raise_it: bool = False) -> None:
        """Lets them through again; `raise_it`: raises KeyboardInterrupt where one came meanwhile."""
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if self._came and raise_it:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Inside, a second Ctrl-C does not keep the first one from ending everything; it takes seconds at most."""
    held = _HeldInterrupts()
    try:
        yield
    finally:
        held.release()


def _stop_container(stop_argv: Sequence[str]) -> None:
    """A container outlives its client, so it is ended by its own command."""
    if stop_argv:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(stop_argv, capture_output=True, timeout=STOP_SECONDS * 4, check=False)


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the command: first asked, then forced."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except (ProcessLookupError, PermissionError):
            break
        if _group_ended(process):
            break
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _group_ended(process: subprocess.Popen[bytes]) -> bool:
    """Wait until no process of the group is left, STOP_SECONDS at most."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        process.poll()  # reaps the leader, which would count as a member of the group until then
        if not _group_lives(process.pid):
            return True
        time.sleep(0.02)
    return False


def _group_lives(group: int) -> bool:
    """Return whether a member still runs; one that has ended and waits to be reaped (by a lazy init) does not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, member_of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state != "Z":
                return True
    return False


@contextlib.contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float | None) -> Iterator[threading.Event]:
    """End the group after `seconds`; the event says that it did."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, expire) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield expired
    finally:
        if timer is not None:
            timer.cancel()


@contextlib.contextmanager
def _log(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """A writer that appends to `path`; a full disk becomes an OutputError that names it."""
    if path is None:
        yield lambda block: None
        return
    try:
        with path.open("ab", buffering=0) as stream:

            def write(block: bytes) -> None:
                view = memoryview(block)
                while view:
                    view = view[stream.write(view) or 0 :]

            yield write
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.ENOENT, errno.EROFS, errno.EISDIR):
            raise
        raise OutputError(
            f"{path} cannot be written ({error.strerror})",
            hint="free some disk space, then run the same command again: finished stages are kept",
        ) from error


@contextlib.contextmanager
def _terminated_like_interrupt() -> Iterator[None]:
    """Inside, SIGTERM and a closed terminal end the command like Ctrl-C does, instead of orphaning it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signals = (signal.SIGTERM, signal.SIGHUP)
    before = {signum: signal.signal(signum, interrupt) for signum in signals}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

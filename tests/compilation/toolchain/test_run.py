"""A command runs as a stream, its log is whole, and nothing of it is left however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgekit.compilation.toolchain.run import CommandLine, ask, plain_line, run_command
from edgekit.errors import OutputError, ToolchainError
from tests.compilation.toolchain.stand_in import alive

GRANDCHILD = (
    "import subprocess, sys, time;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('child', p.pid, flush=True); time.sleep(600)"
)

STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('pid', os.getpid(), flush=True); time.sleep(600)"
)


def python(code: str) -> CommandLine:
    return CommandLine((sys.executable, "-I", "-c", code))


def test_lines_come_without_colours_and_progress_bars_as_lines(tmp_path: Path) -> None:
    code = r"print('\x1b[92mone\x1b[0m'); print('\rbar 1\rbar 2', end=''); print('\r\nlast é', end='')"
    seen: list[str] = []
    finished = run_command(python(code), cwd=tmp_path, log_path=tmp_path / "log", on_line=seen.append)
    assert seen == ["one", "bar 1", "bar 2", "last é"]
    assert (finished.returncode, finished.lines) == (0, tuple(seen))
    assert (tmp_path / "log").read_bytes().startswith(b"\x1b[92mone")


def test_lines_come_while_the_command_runs(tmp_path: Path) -> None:
    """The command waits for a file that is only made when its first line has come."""
    code = (
        "print('go', flush=True)\nimport os, time\nwhile not os.path.exists('there'): time.sleep(0.01)\nprint('done')"
    )

    def on_line(line: str) -> None:
        (tmp_path / "there").touch()

    assert run_command(python(code), cwd=tmp_path, on_line=on_line, timeout_seconds=30).lines == ("go", "done")


def test_the_exit_code_and_the_last_lines_are_kept(tmp_path: Path) -> None:
    finished = run_command(python("import sys\nfor i in range(1000): print(i)\nsys.exit(3)"), cwd=tmp_path)
    assert finished.returncode == 3
    assert (len(finished.lines), finished.lines[-1]) == (400, "999")


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    finished = run_command(python("print('x' * 5_000_000, end='')"), cwd=tmp_path)
    assert len(finished.lines) == 1 and set(finished.lines[0]) == {"x"} and len(finished.lines[0]) <= 1 << 17


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_ends_the_run_ends_the_children_too(tmp_path: Path, error: type[BaseException]) -> None:
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line.split()[1]))
        raise error

    with pytest.raises(error):
        run_command(python(GRANDCHILD), cwd=tmp_path, on_line=stop)
    assert not alive(pids[0])


def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.compilation.toolchain.run.STOP_SECONDS", 0.3)
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line.split()[1]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command(python(STUBBORN), cwd=tmp_path, on_line=stop)
    assert not alive(pids[0])


def test_sigterm_ends_it_like_ctrl_c(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line.split()[1]))
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_command(python(GRANDCHILD), cwd=tmp_path, on_line=stop)
    assert not alive(pids[0]) and signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_while_the_command_is_silent(tmp_path: Path) -> None:
    """The usual case: minutes of computing without a line."""
    pids: list[int] = []

    def note(line: str) -> None:
        pids.append(int(line.split()[1]))
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        run_command(python(GRANDCHILD), cwd=tmp_path, on_line=note)
    assert not alive(pids[0])


def test_ctrl_c_while_the_command_is_being_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is there already, but the parent does not know it yet."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def interrupted(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))  # type: ignore[call-overload]
        os.kill(os.getpid(), signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_command(python("import time; time.sleep(600)"), cwd=tmp_path)
    assert not alive(started[0].pid)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_nothing_behind_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Impatient: again while the command is being ended, which here ignores the polite way."""
    monkeypatch.setattr("edgekit.compilation.toolchain.run.STOP_SECONDS", 0.5)
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line.split()[1]))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command(python(STUBBORN), cwd=tmp_path, on_line=stop)
    assert not alive(pids[0])


def test_a_command_that_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="did not end within"):
        run_command(python("import time; time.sleep(600)"), cwd=tmp_path, timeout_seconds=0.2)


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="no_such_command cannot be started") as caught:
        run_command(CommandLine(("no_such_command",)), cwd=tmp_path)
    assert "doctor" in caught.value.hint


def test_a_full_disk_is_said_and_the_command_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(OutputError, match="No space left"):
        run_command(
            python("print('x', flush=True); import time; time.sleep(60)"), cwd=tmp_path, log_path=Path("/dev/full")
        )
    assert time.monotonic() - started < 30


def test_an_unwritable_log(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        run_command(python("print(1)"), cwd=tmp_path, log_path=tmp_path)


def test_the_environment_is_what_the_command_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKEN_AWAY", "1")
    code = "import os; print(os.environ.get('ADDED'), os.environ.get('TAKEN_AWAY'))"
    command = CommandLine((sys.executable, "-I", "-c", code), {"ADDED": "yes", "TAKEN_AWAY": None})
    assert run_command(command, cwd=tmp_path).lines == ("yes None",)


def test_a_question_that_is_not_answered() -> None:
    assert ask(python("print('version 1')")) == "version 1"
    assert ask(python("raise SystemExit(1)")) is None
    assert ask(CommandLine(("no_such_command",))) is None


def test_plain_line() -> None:
    assert plain_line("\x1b[91mERROR\x1b[0m x \t") == "ERROR x"

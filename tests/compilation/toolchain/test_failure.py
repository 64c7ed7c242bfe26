"""A failed command becomes one error of two lines: cause and cure where known, else the decisive lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.compilation.toolchain.failure import OutputWatch
from edgekit.compilation.toolchain.run import Finished
from edgekit.errors import EdgekitError, OutputError, ToolchainError

ERROR = "2026-01-02 03:04:05,678 ERROR "


def error_of(lines: list[str], *, code: int = 1, command: str = "/x/hb_mapper") -> EdgekitError:
    watch = OutputWatch()
    for line in lines:
        watch.feed(line)
    return watch.error(Finished((command,), code, 1.0, tuple(lines)), doing="compiling", log=Path("x.log"))


def test_a_known_cause_wins_over_everything_else() -> None:
    error = error_of(
        ["noise", ERROR + "ValueError: The opset version of the model is 17, the maximum is 11", ERROR + "x"]
    )
    assert isinstance(error, ToolchainError) and "opset 17" in error.message and "x.log" in error.hint


def test_the_error_lines_are_shown_each_once() -> None:
    error = error_of(["a", ERROR + "first", "b", ERROR + "second", ERROR + "second", "c"])
    assert error.message == "compiling failed with exit code 1: first | second"


def test_without_error_lines_the_last_ones_are_shown() -> None:
    assert error_of(["1", "2", "3", "4"]).message.endswith("2 | 3 | 4")
    assert error_of([]).message.endswith("it printed nothing")


def test_long_lines_are_cut() -> None:
    assert len(error_of([ERROR + "x" * 10_000]).message) < 400


@pytest.mark.parametrize(
    ("code", "name"), [(-9, "SIGKILL"), (137, "SIGKILL"), (-11, "SIGSEGV"), (139, "SIGSEGV"), (-6, "signal 6")]
)
def test_a_killed_command(code: int, name: str) -> None:
    error = error_of([], code=code)
    assert f"hb_mapper was killed by {name}" in error.message and "O0" in error.hint


@pytest.mark.parametrize("words", ["[Errno 28] No space left on device: 'x'", "write failed: Disk quota exceeded"])
def test_a_full_disk_is_an_output_error(words: str) -> None:
    assert isinstance(error_of([words], code=-9), OutputError)


def test_dockers_own_failure_is_told_from_the_commands() -> None:
    lines = ["docker: Error response from daemon: no such image"]
    assert "docker says" in error_of(lines, code=125, command="docker").message
    assert "docker says" not in error_of(lines, code=1, command="docker").message

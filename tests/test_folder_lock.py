"""The lock of a work folder, between processes and after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.errors import OutputError
from edgekit.folder_lock import folder_lock

HOLD = """
import sys, time
from pathlib import Path
from edgekit.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held(folder: Path, work: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), work], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_by_the_number_of_the_first(tmp_path: Path) -> None:
    with held(tmp_path / "work", "compile") as process:
        message = rf"work is in use by process {process.pid}, which does edgekit compile"
        with pytest.raises(OutputError, match=message), folder_lock(tmp_path / "work", "compile"):
            pass
        with folder_lock(tmp_path / "work", "deploy"):
            pass  # another lock of the same folder: deploy holds its own around those of its steps


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    with held(tmp_path / "work", "compile") as process:
        process.kill()
        process.wait()
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".edgekit-compile.lock"]
    with folder_lock(tmp_path / "work", "compile"):
        assert (tmp_path / "work" / ".edgekit-compile.lock").read_text() == f"{os.getpid()}\n"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_folder_made_for_the_lock_goes_with_it_unless_it_holds_something(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "a" / "b", "compile"):
        pass
    assert list(tmp_path.iterdir()) == []
    with folder_lock(tmp_path / "a" / "b", "compile"):
        (tmp_path / "a" / "b" / "result").write_text("whole")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="file"), folder_lock(folder, "compile"):
            pass


def test_many_processes_at_once_never_work_at_the_same_time(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from edgekit.errors import OutputError
from edgekit.folder_lock import folder_lock
folder = Path(sys.argv[1])
for _ in range(20):
    try:
        with folder_lock(folder, "compile"):
            (folder / "busy").mkdir()  # fails where somebody else is inside
            time.sleep(0.002)
            (folder / "busy").rmdir()
    except OutputError:
        time.sleep(0.001)
"""
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-c", script, str(tmp_path / "work")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    deadline = time.monotonic() + 300
    said = [process.communicate(timeout=max(1, deadline - time.monotonic()))[1] for process in processes]
    assert said == [""] * 4 and [process.returncode for process in processes] == [0] * 4

"""Tasks for the tests, called by their names in other processes."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError


@dataclass(frozen=True)
class Number:
    """A task: a number, and how it fails."""

    x: int
    folder: str = ""
    fails: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def scaled(task: Number) -> dict[str, Any]:
    """A float that only survives exactly, whatever process made it."""
    return {"z": task.x * 0.1 / 3, "a": [task.x, None, True]}


def counted(task: Number) -> int:
    """Leaves a line per call."""
    with (Path(task.folder) / "calls").open("a") as stream:
        stream.write(f"{task.x}\n")
    return task.x * 10


def failing(task: Number) -> int:
    """Fails, dies or is interrupted if the task says so."""
    if task.fails == "edgekit":
        raise ModelError(f"task {task.x} is wrong", hint="fix it")
    if task.fails == "file":
        raise FileNotFoundError(f"task {task.x}")
    if task.fails == "interrupt":
        raise KeyboardInterrupt
    if task.fails == "dies":
        os._exit(9)
    return counted(task)


def endless(task: Number) -> int:
    """The first task ends, the others never do; each leaves the id of its process."""
    (Path(task.folder) / f"pid_{task.x}").write_text(str(os.getpid()))
    if task.x:
        threading.Event().wait()
    return os.getpid()


def of_no_json(task: Number) -> object:
    return float("nan") if task.x else {1, 2}

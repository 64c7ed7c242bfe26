"""Jobs for the tests, called by their names in other processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError


def scaled(shared: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """A float that only survives exactly, the process it was made in left out."""
    return {"z": job["x"] * shared["factor"] / 3, "a": [job["x"], None, True]}


def counted(shared: dict[str, Any], job: dict[str, Any]) -> int:
    """Leaves a line per call."""
    with Path(shared["calls"]).open("a") as stream:
        stream.write(f"{job['x']}\n")
    return int(job["x"]) * 10


def failing(shared: dict[str, Any], job: dict[str, Any]) -> int:
    """Fails, dies or is interrupted where the job says so."""
    kind = job.get("fails", "")
    if kind == "edgekit":
        raise ModelError(f"job {job['x']} is wrong", hint="fix it")
    if kind == "file":
        raise FileNotFoundError(f"job {job['x']}")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "dies":
        os._exit(9)
    return counted(shared, job)


def endless(shared: dict[str, Any], job: dict[str, Any]) -> int:
    """The first job ends, the others never do; each says who runs it."""
    (Path(shared["folder"]) / f"pid_{job['x']}").write_text(str(os.getpid()))
    if job["x"]:
        threading.Event().wait()
    return os.getpid()


def of_no_json(shared: dict[str, Any], job: dict[str, Any]) -> object:
    return float("nan") if job["x"] else {1, 2}

"""A process of its own for a row of cases: limits on time and memory, and an end that harms nobody else."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fuzzing.kind import Kind
from fuzzing.outcome import MEMORY, OK, HangError, Outcome, classify

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may take; `seconds` are those of the processor, so that a busy machine makes no hang."""

    seconds: float = 20.0
    memory_mb: int = 2048


def serve(kind: Kind, make: Make, indices: list[int], limits: Limits, stream: BinaryIO) -> None:
    """Try the cases one after the other; writes a JSON line before and after each one.

    Args:
        kind: What reads them.
        make: Returns the input of an index.
        indices: The cases.
        limits: What each may take.
        stream: Where the lines go: {"start": index}, then `Outcome.to_dict`, or {"broken": why}.
    """
    _quiet()
    signal.signal(signal.SIGPROF, _ring)
    _limit_address_space(limits)
    gc.freeze()  # what was there before needs no look at it after every case
    for index in indices:
        _send(stream, {"start": index})
        try:
            data = make(index)
        except Exception:
            _send(stream, {"broken": f"case {index} of {kind.name} cannot be made\n{traceback.format_exc()}"})
            return
        _send(stream, run_case(kind, data, index, limits).to_dict())


def run_case(kind: Kind, data: bytes, index: int, limits: Limits) -> Outcome:
    """Try one case in this process."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    started, before = time.monotonic(), _fresh_peak_mb()
    outcome, message, place = OK, "", ""
    try:
        path = kind.place(data, folder)
        signal.setitimer(signal.ITIMER_PROF, limits.seconds, 1.0)  # again, where a first one was swallowed
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                kind.check(path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except BaseException as error:  # whatever it is, it is what this is here to find
        outcome, message, place = classify(error)
        del error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    gc.collect()
    taken = _peak_mb() - before
    if taken > limits.memory_mb:
        outcome, message = MEMORY, f"{taken:.0f} MB ({outcome} {message})"
    seconds = round(time.monotonic() - started, 3)
    return Outcome(kind.name, index, outcome, message, place, seconds)


def _ring(number: int, frame: object) -> None:
    raise HangError("took longer than allowed")


def _send(stream: BinaryIO, value: object) -> None:
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()


def _quiet() -> None:
    """Native libraries write their complaints to the descriptors."""
    null = os.open(os.devnull, os.O_RDWR)
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def _limit_address_space(limits: Limits) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    allowed = pages * resource.getpagesize() + (limits.memory_mb + 1024 << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (allowed if hard < 0 else min(allowed, hard), hard))


def _fresh_peak_mb() -> float:
    """Begin to measure the peak again; returns what is in use."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)

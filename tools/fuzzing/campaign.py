"""Many cases of one kind: a forked worker tries them, and where it dies the next one goes on behind the case."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from fuzzing.kind import Kind
from fuzzing.outcome import CRASH, HANG, Outcome
from fuzzing.worker import Limits, Make, serve

PATIENCE = 15  # times its processor time that a case may take by the clock: the machine may be busy, or it waits


def run_cases(kind: Kind, make: Make, indices: Sequence[int], limits: Limits) -> Iterator[Outcome]:
    """Yield the outcome of each case as it comes; a worker that dies or hangs costs its case alone."""
    left = list(indices)
    while left:
        for outcome in _one_worker(kind, make, left, limits):
            left = left[left.index(outcome.index) + 1 :]
            yield outcome


def _one_worker(kind: Kind, make: Make, indices: list[int], limits: Limits) -> Iterator[Outcome]:
    """The outcomes of one worker, up to its end or to the case that ended it."""
    pid, lines = _fork(lambda stream: serve(kind, make, indices, limits, stream))
    current, started = indices[0], time.monotonic()
    try:
        while True:
            value = lines.next_line(started + PATIENCE * limits.seconds)
            if value is None:
                os.kill(pid, signal.SIGKILL)
                yield Outcome(kind.name, current, HANG, f"no answer in {PATIENCE * limits.seconds:.0f} s")
                return
            if not value:
                break
            if "broken" in value:
                raise RuntimeError(value["broken"])
            if "start" in value:
                current, started = value["start"], time.monotonic()
                continue
            yield Outcome(**{f.name: value[f.name] for f in fields(Outcome)})
            if value["index"] == indices[-1]:
                return
    finally:
        lines.close()
        _, status = os.waitpid(pid, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    died = signal.Signals(number).name if number else f"exit code {os.waitstatus_to_exitcode(status)}"
    yield Outcome(kind.name, current, CRASH, died)


class _Lines:
    """JSON lines from a pipe, each with a deadline."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""

    def next_line(self, deadline: float) -> dict[str, Any] | None:
        """The next line; {} at the end of the pipe, None where the deadline passed."""
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            data = os.read(self._descriptor, 1 << 16)
            if not data:
                return {}
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        value: dict[str, Any] = json.loads(line)
        return value

    def close(self) -> None:
        os.close(self._descriptor)


def _fork(work: Callable[..., None]) -> tuple[int, _Lines]:
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, _Lines(read)
    code = 1
    try:
        os.close(read)
        with os.fdopen(write, "wb") as stream:
            work(stream)
        code = 0
    finally:
        os._exit(code)

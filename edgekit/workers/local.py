"""Workers of this computer: this process itself, or several."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from edgekit.errors import DeviceError

__all__ = ["RESUME_HINT", "InProcess", "LocalProcesses"]

RESUME_HINT = "run the same command again: it resumes"
P = ParamSpec("P")
R = TypeVar("R")


class InProcess(Executor):
    """Runs one task after the other in this process, as `submit` is called."""

    at_once = 1

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call `fn` and return a future that is done; Ctrl-C is raised here."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def executor(self) -> Executor:
        """Return this object."""
        return self

    def failure(self, error: BaseException) -> BaseException:
        """Return the exception of the task."""
        return error

    def stop(self) -> None:
        """Do nothing: no task runs beside the caller."""

    def close(self) -> None:
        """Do nothing."""


class LocalProcesses:
    """Processes of this computer: spawned, never forked, since onnxruntime's threads do not survive a fork.

    Each holds one end of a pipe, the lifeline: when this process closes the other end or dies, they end.
    """

    def __init__(self, workers: int) -> None:
        self.at_once = workers
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def executor(self) -> Executor:
        """Return the pool; its processes start with the first task."""
        if self._pool is None:
            context = get_context("spawn")
            theirs, self._lifeline = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.at_once, context, initializer=_hold, initargs=(theirs,))
        return self._pool

    def failure(self, error: BaseException) -> BaseException:
        """Return a DeviceError if a process died, else the exception of the task."""
        if not isinstance(error, BrokenProcessPool):
            return error
        return DeviceError(
            f"one of {self.at_once} worker processes died (out of memory?), expected the result of its task",
            hint=f"{RESUME_HINT}; with fewer --workers if memory is short",
        )

    def stop(self) -> None:
        """End the processes, in the middle of a task too."""
        if self._lifeline is not None:
            self._lifeline.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._lifeline = None

    def close(self) -> None:
        """End the processes once their tasks are done."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self.stop()


def _hold(lifeline: Connection) -> None:
    """In a worker: leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        try:
            lifeline.poll(None)  # nothing is ever sent: it returns when the other end is closed
        finally:
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()

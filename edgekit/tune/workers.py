"""Workers that jobs run on: this process or several of this computer; `cluster.py` has those of Dask."""

from __future__ import annotations

import importlib
import json
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from edgekit.errors import DeviceError

AGAIN = "run the same command again: it resumes"
Call = tuple[str, str, str]  # the arguments of `call`


class Workers(Protocol):
    """Runs calls and gives the results as they complete.

    After a job's exception no further job begins; it is raised once those that run have completed.
    """

    def results(self, calls: Sequence[Call]) -> Generator[tuple[int, str], None, None]: ...

    def close(self) -> None: ...


def call(function: str, shared: str, job: str) -> str:
    """Calls "module:name" with `shared` and `job`, both JSON texts; returns its result as JSON.

    Raises what the function raises; TypeError or ValueError where its result is no JSON value (NaN is none).
    """
    module, _, name = function.partition(":")
    result = getattr(importlib.import_module(module), name)(json.loads(shared), json.loads(job))
    return json.dumps(result, allow_nan=False)


class Here:
    """One job after the other, in this process."""

    def results(self, calls: Sequence[Call]) -> Generator[tuple[int, str], None, None]:
        for index, arguments in enumerate(calls):
            yield index, call(*arguments)

    def close(self) -> None:
        """Nothing to close."""


class LocalProcesses:
    """Processes of this computer; spawned, never forked, since onnxruntime's threads do not survive a fork.

    Each holds one end of a pipe, the lifeline: when this process lets go of the other end, dying included, they end.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def results(self, calls: Sequence[Call]) -> Generator[tuple[int, str], None, None]:
        pool = self._start()
        try:
            failed = yield from as_completed(lambda c: pool.submit(call, *c), wait, calls, at_once=self._workers)
        except BaseException:  # Ctrl-C, or a store on a full disk: the rest need not finish
            self._stop()
            raise
        if isinstance(failed, BrokenProcessPool):
            self._stop()
            raise DeviceError(
                f"one of {self._workers} worker processes died (out of memory?), expected the result of its job",
                hint=f"{AGAIN}; with fewer workers where memory is short",
            ) from failed
        if failed is not None:
            raise failed

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._stop()

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = get_context("spawn")
            theirs, self._lifeline = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self._workers, context, initializer=_hold, initargs=(theirs,))
        return self._pool

    def _stop(self) -> None:
        """Ends the processes, in the middle of a job too; the next jobs get new ones."""
        if self._lifeline is not None:
            self._lifeline.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._lifeline = None


def _hold(lifeline: Connection) -> None:
    """In a worker: leaves Ctrl-C to the parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        try:
            lifeline.poll(None)  # nothing is ever sent: it returns when the other end is closed
        finally:
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def as_completed(
    submit: Callable[[Call], Any], wait_for: Callable[..., Any], calls: Sequence[Call], *, at_once: int
) -> Generator[tuple[int, str], None, BaseException | None]:
    """Yields (index, result) as calls complete, with at most `at_once` submitted; returns the exception of the first
    call in order that failed.

    `submit` gives futures and `wait_for` waits for them, both of concurrent.futures or both of Dask.
    """
    running: dict[Any, int] = {}
    failures: dict[int, BaseException] = {}
    following = 0
    try:
        while running or (following < len(calls) and not failures):
            while following < len(calls) and not failures and len(running) < at_once:
                running[submit(calls[following])] = following
                following += 1
            done = wait_for(list(running), return_when="FIRST_COMPLETED").done
            for future in sorted(done, key=lambda future: running[future]):
                index, error = running.pop(future), future.exception()
                if error is None:
                    yield index, future.result()
                else:
                    failures[index] = error
    except BrokenProcessPool as error:  # it broke between two jobs, so that no future tells
        failures[following] = error
    except BaseException:
        for future in running:
            future.cancel()
        raise
    return failures[min(failures)] if failures else None

"""Independent tasks under a `concurrent.futures.Executor`: started in order, given back as they complete."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol, TypeVar

from edgekit.errors import ConfigError

__all__ = ["Workers", "check_workers", "completed", "in_order", "open_workers"]

T = TypeVar("T")
R = TypeVar("R")


class Workers(Protocol):
    """An executor and what is known of its workers: this process, processes, or a Dask cluster.

    Attributes:
        at_once: How many tasks it gets at a time; the rest wait here.
    """

    @property
    def at_once(self) -> int:
        """How many tasks it gets at a time."""

    def executor(self) -> Executor:
        """Return the executor, started if it does not run."""

    def failure(self, error: BaseException) -> BaseException:
        """Return what to raise for the exception of a task: the exception itself, or a DeviceError if a worker died."""

    def stop(self) -> None:
        """End the workers, in the middle of a task too; `executor` starts new ones."""

    def close(self) -> None:
        """End the workers once their tasks are done; those of a cluster stay for others."""


def open_workers(workers: int | None = None, scheduler: str | None = None, *, paths: Sequence[Path] = ()) -> Workers:
    """Open the workers that a command's `--workers` and `--scheduler` name.

    Args:
        workers: Processes on this computer; 1 or None runs the tasks in this process.
        scheduler: Address of a Dask scheduler, such as "tcp://host:8786", in place of `workers`.
        paths: Files and folders that every worker of a cluster must see under the same path.

    Returns:
        The workers; the caller closes them.

    Raises:
        ConfigError: If both are given, `workers` is below 1, or the cluster cannot run tasks of this version.
    """
    from edgekit.workers.cluster import DaskCluster
    from edgekit.workers.local import InProcess, LocalProcesses

    check_workers(workers, scheduler)
    if scheduler is not None:
        return DaskCluster(scheduler, paths)
    return LocalProcesses(workers) if workers is not None and workers > 1 else InProcess()


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Check the options before any work.

    Args:
        workers: Processes on this computer.
        scheduler: Address of a Dask scheduler.

    Raises:
        ConfigError: If both are set, or `workers` is below 1.
    """
    if workers is not None and scheduler is not None:
        raise ConfigError(
            f"--workers {workers} and --scheduler {scheduler} are both set, expected at most one of them",
            hint="a Dask cluster has its own number of workers: remove --workers",
        )
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers is {workers}, expected at least 1", hint="1 runs everything in this process")


def completed(workers: Workers, function: Callable[[T], R], tasks: Sequence[T]) -> Generator[tuple[int, R], None, None]:
    """Run a function over tasks and yield results as they complete.

    After the exception of a task no further task starts; it is raised once those that run have completed. If the caller
    stops early (Ctrl-C, a full disk), the workers end in the middle of their tasks.

    Args:
        workers: Where the tasks run.
        function: A function of one task, importable by its name on every worker.
        tasks: The tasks; they and their results are pickled on their way to other processes of this version.

    Yields:
        The index of a task and its result.

    Raises:
        DeviceError: If a worker died.
        BaseException: What the first task in order that failed has raised.
    """
    running: dict[Future[R], int] = {}
    failures: dict[int, BaseException] = {}
    following = 0
    try:
        executor = workers.executor() if tasks else None
        while running or (following < len(tasks) and not failures):
            while executor and following < len(tasks) and not failures and len(running) < workers.at_once:
                running[executor.submit(function, tasks[following])] = following
                following += 1
            for future in sorted(wait(running, return_when=FIRST_COMPLETED).done, key=lambda done: running[done]):
                index, error = running.pop(future), _exception(future)
                if error is None:
                    yield index, future.result()
                else:
                    failures[index] = error
    except BrokenProcessPool as error:  # between two tasks, so that no future has the exception
        failures[following] = error
    except BaseException:
        for future in running:
            future.cancel()
        workers.stop()
        raise
    if failures:
        _raise(workers, failures[min(failures)])


def in_order(results: Iterable[tuple[int, R]]) -> Iterator[R]:
    """Yield the results of `completed` in the order of their tasks, each as soon as all before it are there.

    Args:
        results: Indices 0, 1, ... in any order, with their results.

    Yields:
        The results.
    """
    waiting: dict[int, R] = {}
    following = 0
    for index, result in results:
        waiting[index] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _exception(future: Future[R]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:  # a cluster that lost the task
        return error


def _raise(workers: Workers, error: BaseException) -> None:
    failure = workers.failure(error)
    if failure is error:
        raise error
    workers.stop()
    raise failure from error

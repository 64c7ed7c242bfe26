"""A Dask cluster as workers, for work that outgrows one computer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgekit.errors import ConfigError, DeviceError
from edgekit.files import resolved
from edgekit.install_hints import extra_hint
from edgekit.version import __version__
from edgekit.workers.local import RESUME_HINT

__all__ = ["DaskCluster"]

CONNECT_SECONDS = 5  # a scheduler that is not there is reported before a long wait
TASKS_PER_THREAD = 2  # while one runs, the next waits beside it


class DaskCluster:
    """The workers of a Dask scheduler; they need this version of edgekit, and `paths` under the same names.

    Raises:
        ConfigError: If the scheduler cannot be reached, has no workers, or one of them differs in version or paths.
    """

    def __init__(self, address: str, paths: Sequence[Path] = ()) -> None:
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(
                f"{error.name} is not installed, expected it for the scheduler {address}",
                hint=extra_hint("tune"),
            ) from error
        self._address = address
        self._dask = distributed
        try:
            _check_reachable(address)  # a Client that fails in its constructor hangs when it is collected
            self._client = _client(distributed.Client, address)
        except (OSError, asyncio.TimeoutError, ValueError) as error:  # under 3.10 its timeout is no OSError
            raise ConfigError(
                f"no Dask scheduler answers at {address!r} ({' '.join(str(error).split()) or 'timeout'})",
                hint="start one with `dask scheduler` and give its address, such as tcp://192.168.1.10:8786",
            ) from error
        try:
            self._check([str(resolved(path)) for path in paths])
        except BaseException:
            self._client.close()
            raise
        self._executor: Executor = self._client.get_executor(pure=False)

    @property
    def at_once(self) -> int:
        """Two tasks for each thread of the workers that are there now."""
        return max(1, TASKS_PER_THREAD * sum(self._client.nthreads().values()))

    def executor(self) -> Executor:
        """Return the executor of the connected client."""
        return self._executor

    def failure(self, error: BaseException) -> BaseException:
        """Return a DeviceError if the cluster lost the task, else the exception of the task."""
        lost = (self._dask.KilledWorker, self._dask.CancelledError, CancelledError)
        if not isinstance(error, lost):
            return error
        return DeviceError(
            f"the Dask cluster at {self._address} lost a task ({type(error).__name__}), expected its result",
            hint=f"look at the logs of its workers (out of memory?); then {RESUME_HINT}",
        )

    def stop(self) -> None:
        """Do nothing: tasks that wait were cancelled, those that run end on the cluster."""

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def _check(self, paths: Sequence[str]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise ConfigError(
                f"the Dask scheduler at {self._address} has no workers, expected at least one",
                hint=f"start them: dask worker {self._address}",
            ) from error
        try:
            reported: dict[str, tuple[str, list[str]]] = self._client.run(_describe, paths)
        except ImportError as error:
            raise ConfigError(
                f"the Dask workers at {self._address} have no edgekit ({error}), expected version {__version__}",
                hint="install the same edgekit with [tune] where they run, and start them again",
            ) from error
        for worker, (version, absent) in sorted(reported.items()):
            if version != __version__:
                raise ConfigError(
                    f"the Dask worker {worker} has edgekit {version}, expected {__version__} as here",
                    hint="install the same version on every machine and start the workers again",
                )
            if absent:
                raise ConfigError(
                    f"the Dask worker {worker} does not see {absent[0]}, expected it under the same path",
                    hint="work in a folder that all machines share, and give its full path",
                )


def _client(make: Callable[..., Any], address: str) -> Any:
    """Connect in a thread of its own: if something other than Dask listens there, the constructor never returns."""
    made: list[Any] = []

    def connect() -> None:
        try:
            made.append(make(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except Exception as error:
            made.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * CONNECT_SECONDS)  # its own timeout comes first, if it comes at all
    if not made:
        raise TimeoutError("something else listens there")
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def _check_reachable(address: str) -> None:
    """Raise ValueError if it is no address, OSError if nobody listens there."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
        raise ValueError("expected tcp://HOST:PORT")
    socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_SECONDS).close()


def _describe(paths: Sequence[str]) -> tuple[str, list[str]]:
    """Return, on a Dask worker, the version there and which of the paths are absent."""
    return __version__, [path for path in paths if not Path(path).exists()]

"""A Dask cluster as workers, for searches that outgrow one computer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgekit.errors import ConfigError, DeviceError
from edgekit.tune.workers import AGAIN, Call, as_completed, call
from edgekit.version import __version__

CONNECT_SECONDS = 5  # for a scheduler that is there; one that is not should be told before anybody waits
JOBS_PER_THREAD = 2  # one runs while the next one waits beside it


class DaskCluster:
    """The workers of a Dask scheduler; they need this version of edgekit and the work folder under the same path."""

    def __init__(self, address: str, shared: Mapping[str, Any]) -> None:
        """Connects and asks every worker; raises ConfigError where that cannot work."""
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(
                f"{error.name} is not installed, expected it for the scheduler {address}",
                hint='pip install "edgekit[tune]"',
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
            self._check(str(shared.get("folder", "")))
        except BaseException:
            self._client.close()
            raise

    def results(self, calls: Sequence[Call]) -> Generator[tuple[int, str], None, None]:
        at_once = max(1, JOBS_PER_THREAD * sum(self._client.nthreads().values()))
        try:
            failed = yield from as_completed(self._submit, self._wait, calls, at_once=at_once)
        except (OSError, asyncio.TimeoutError, self._dask.CancelledError) as error:  # a closed connection is an OSError
            raise self._lost(error) from error
        if isinstance(failed, (self._dask.KilledWorker, self._dask.CancelledError)):
            raise self._lost(failed) from failed
        if failed is not None:
            raise failed

    def _wait(self, futures: Sequence[Any], *, return_when: str) -> Any:
        with self._client.as_current():
            return self._dask.wait(futures, return_when=return_when)

    def _lost(self, error: BaseException) -> DeviceError:
        return DeviceError(
            f"the Dask cluster at {self._address} lost a job ({type(error).__name__}), expected its result",
            hint=f"look at the logs of its workers (out of memory?); then {AGAIN}",
        )

    def _submit(self, arguments: Call) -> Any:
        return self._client.submit(call, *arguments, pure=False)

    def close(self) -> None:
        self._client.close()

    def _check(self, folder: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise ConfigError(
                f"the Dask scheduler at {self._address} has no workers, expected at least one",
                hint=f"start them: dask worker {self._address}",
            ) from error
        try:
            told: dict[str, tuple[str, bool]] = self._client.run(_describe, folder)
        except ImportError as error:
            raise ConfigError(
                f"the Dask workers at {self._address} have no edgekit ({error}), expected version {__version__}",
                hint=f'pip install "edgekit[tune]=={__version__}" where they run, and start them again',
            ) from error
        for worker, (version, has_folder) in sorted(told.items()):
            if version != __version__:
                raise ConfigError(
                    f"the Dask worker {worker} has edgekit {version}, expected {__version__} as here",
                    hint="install the same version on every machine and start the workers again",
                )
            if not has_folder:
                raise ConfigError(
                    f"the Dask worker {worker} does not see the folder {folder}, expected it under the same path",
                    hint="work in a folder that all machines share, and give it by its full path",
                )


def _client(make: Callable[..., Any], address: str) -> Any:
    """Connects in a thread of its own: where something else than Dask listens, its constructor never returns."""
    made: list[Any] = []

    def connect() -> None:
        try:
            made.append(make(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except Exception as error:
            made.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * CONNECT_SECONDS)  # its own timeout comes first, where it comes at all
    if not made:
        raise TimeoutError("something else listens there")
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def _check_reachable(address: str) -> None:
    """Raises ValueError where it is no address, OSError where nobody listens there."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
        raise ValueError("expected tcp://HOST:PORT")
    socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_SECONDS).close()


def _describe(folder: str) -> tuple[str, bool]:
    """On a Dask worker: the version there, and whether the work folder is there."""
    return __version__, not folder or Path(folder).is_dir()

"""Independent jobs: run once each, wherever the workers are, and kept so that a killed run resumes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import ConfigError
from edgekit.progress import Progress, silent
from edgekit.tune.cluster import DaskCluster
from edgekit.tune.result_cache import ResultStore
from edgekit.tune.workers import Here, LocalProcesses, Workers
from edgekit.version import __version__

Job = Mapping[str, Any]  # plain JSON values; its identity is the SHA-256 of its canonical JSON


def job_key(job: Job) -> str:
    """The identity of a job: 64 hex digits, the same for the same values in any order of the keys."""
    return _sha256(_canonical(job))


class Jobs:
    """Runs jobs of one function over the same shared values, and keeps the results in `store`.

        with Jobs("edgekit.tune.measure:run_job", {"folder": "search"}, Path("search/jobs.jsonl"), workers=4) as jobs:
            losses = jobs.run("calibrators", [{"calibrator": "max"}, {"calibrator": "kl"}])

    The function is a top-level `f(shared, job)`, imported by its name where it runs. It takes and returns plain JSON
    values, NaN excepted; what it gets and what the caller gets were always through JSON, so that here, in a process,
    on a cluster and from the store it is the same. The same job is never run again, in another stage neither.
    A store of another edgekit version, function or `shared` is begun again.
    """

    def __init__(
        self,
        function: str,
        shared: Mapping[str, Any],
        store: Path,
        *,
        workers: int = 1,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> None:
        """`workers`: local processes, 1 is this one; `scheduler`: the address of a Dask scheduler, used instead.

        Raises ConfigError for fewer than one worker or a cluster that cannot run the jobs, OutputError or DataError
        for a store that cannot be used.
        """
        if workers < 1:
            raise ConfigError(f"workers is {workers}, expected at least 1", hint="1 runs the jobs in this process")
        self._function = function
        self._shared = _canonical(shared)
        self._progress = progress
        self._workers = _workers(workers, scheduler, shared)
        try:
            about = {"edgekit": __version__, "function": function, "shared": _sha256(self._shared)}
            self._store = ResultStore(store, about)
        except BaseException:
            self._workers.close()
            raise

    def run(self, stage: str, jobs: Sequence[Job]) -> list[Any]:
        """Runs those that were not run yet; returns the results of all in the order of `jobs`.

        `stage` names them for the progress and the reader of the store. Raises what a job raised, once those that were
        running are stored too, and DeviceError where a worker died.
        """
        texts = [_canonical(job) for job in jobs]
        keys = [_sha256(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        missing = [key for key in wanted if key not in self._store]
        done = len(wanted) - len(missing)
        self._progress(stage, done, len(wanted))
        calls = [(self._function, self._shared, wanted[key]) for key in missing]
        with contextlib.closing(self._workers.results(calls)) as results:
            for index, text in results:
                self._store.add(missing[index], stage, json.loads(text))
                done += 1
                self._progress(stage, done, len(wanted))
        return [self._store[key] for key in keys]

    def close(self) -> None:
        """Ends the workers (a cluster's go on for others) and closes the store."""
        try:
            self._workers.close()
        finally:
            self._store.close()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _workers(workers: int, scheduler: str | None, shared: Mapping[str, Any]) -> Workers:
    if scheduler is not None:
        return DaskCluster(scheduler, shared)
    return LocalProcesses(workers) if workers > 1 else Here()


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

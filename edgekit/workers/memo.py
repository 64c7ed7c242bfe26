"""Results of tasks in a file of JSON lines: a task runs once, and a run that was killed anywhere resumes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from edgekit.errors import DataError, OutputError
from edgekit.files import json_line, whole_lines, write_bytes
from edgekit.progress import Progress, silent
from edgekit.records import envelope
from edgekit.version import __version__
from edgekit.workers.tasks import Workers, completed

__all__ = ["KIND", "MAX_BYTES", "MemoTask", "MemoizedRunner", "ResultFile", "task_key"]

KIND = "results"
MAX_BYTES = 1 << 30  # a result is a few hundred bytes, a thorough search a few thousand of them


class MemoTask(Protocol):
    """A task whose JSON form is its identity."""

    def to_json(self) -> dict[str, Any]:
        """Return every value that decides the result, as plain JSON values."""


T = TypeVar("T", bound=MemoTask)


class MemoizedRunner:
    """Runs tasks on workers and keeps their results in a file.

        with MemoizedRunner(Path("search/results.jsonl"), {"model": "5f0c..."}, workers) as runner:
            losses = runner.run("calibrators", measure, tasks)

    Results are plain JSON values (NaN is none) and always went through JSON, so that they are the same from this
    process, from a cluster and from the file. The file is begun again under another edgekit version or `about`.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], workers: Workers, *, progress: Progress = silent) -> None:
        """Open the file.

        Args:
            path: The file of JSON lines.
            about: What all results depend on besides their tasks, as plain JSON values.
            workers: Where tasks run; `close` closes them.
            progress: Called with stage, done and total.

        Raises:
            OutputError: If the file cannot be written.
            DataError: If it is absurdly large.
        """
        self._workers = workers
        self._progress = progress
        try:
            self._results = ResultFile(path, {"edgekit": __version__, "about": task_key(about)})
        except BaseException:
            workers.close()
            raise

    def run(self, stage: str, function: Callable[[T], Any], tasks: Sequence[T]) -> list[Any]:
        """Run the tasks that have no result yet.

        Args:
            stage: What they are for: for the progress and the reader of the file.
            function: As `completed` takes it; the same for every task of this file.
            tasks: The tasks, equal ones once.

        Returns:
            The results of all, in the order of `tasks`.

        Raises:
            DeviceError: If a worker died.
            BaseException: What a task raised, once the results of those that ran beside it are kept.
        """
        keys = [task_key(task.to_json()) for task in tasks]
        missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in self._results}
        total = len(set(keys))
        done = total - len(missing)
        self._progress(stage, done, total)
        order = list(missing)
        with contextlib.closing(completed(self._workers, function, list(missing.values()))) as results:
            for index, result in results:
                self._results.add(order[index], stage, result)
                done += 1
                self._progress(stage, done, total)
        return [self._results[key] for key in keys]

    def close(self) -> None:
        """Close the workers and the file."""
        try:
            self._workers.close()
        finally:
            self._results.close()

    def __enter__(self) -> MemoizedRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ResultFile:
    """Results by the key of their task; `add` is on disk before it returns.

    The first line is a header with what the results depend on: under another header the file is begun again. A line
    that is no result is skipped, a last line that was cut short is removed.
    """

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        self.path = Path(path)
        header = json_line({**envelope(KIND), **about})
        self._results: dict[str, Any] = {}
        intact_bytes = self._read(header)
        if intact_bytes == 0:
            write_bytes(self.path, header)
        try:
            if intact_bytes and self.path.stat().st_size > intact_bytes:
                with self.path.open("r+b") as stream:
                    stream.truncate(intact_bytes)
            self._stream: BinaryIO = self.path.open("ab")
        except OSError as error:
            raise self._cannot_write(error) from error

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __getitem__(self, key: str) -> Any:
        return self._results[key]

    def add(self, key: str, stage: str, result: Any) -> None:
        """Append one result.

        Args:
            key: As `task_key` gives it.
            stage: What the task was for.
            result: Plain JSON values; kept as read back from JSON.

        Raises:
            OutputError: If the disk is full.
            TypeError, ValueError: If the result is no JSON value.
        """
        line = json_line({"task": key, "stage": stage, "result": result}, finite=True)
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        self._results[key] = json.loads(line)["result"]

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # `add` has reported what could not be written
            self._stream.close()

    def _read(self, header: bytes) -> int:
        """Read the results; return the length of the intact lines, 0 if the file is to be begun."""
        try:
            size = self.path.stat().st_size
            if size > MAX_BYTES:
                raise DataError(
                    f"{self.path} has {size} bytes, expected at most {MAX_BYTES}",
                    hint="remove it; the results in it are computed again",
                )
            lines = whole_lines(self.path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._cannot_write(error) from error
        if not lines or lines[0] + b"\n" != header:
            return 0
        for line in lines[1:]:
            self._take(line)
        return sum(len(line) + 1 for line in lines)

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(row, dict) and isinstance(row.get("task"), str) and "result" in row:
            self._results[row["task"]] = row["result"]

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path}, which keeps the results of finished tasks, cannot be written ({error.strerror or error})",
            hint="free some disk space or choose another folder, then run the same command again",
        )


def task_key(values: Mapping[str, Any]) -> str:
    """Return the identity of a task.

    Args:
        values: Plain JSON values.

    Returns:
        The SHA-256 of their canonical JSON as 64 hex digits: the same for the same values in any order of the keys.
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

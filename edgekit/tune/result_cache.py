"""Results of jobs in a file of JSON lines that a run killed anywhere leaves usable."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.errors import DataError, OutputError
from edgekit.files import write_text

FORMAT = "edgekit.jobs/1"
MAX_STORE_BYTES = 1 << 30  # a result is a few hundred bytes, a thorough search a few thousand of them


class ResultStore:
    """What is already known, by the key of its job; `add` is on disk before it returns.

    The first line is a header that says for what the results hold: under another header the file is begun again. A line
    that is no result is not counted, a last line that was cut is taken off.
    """

    def __init__(self, path: Path, about: dict[str, str]) -> None:
        """Opens or begins the file; raises DataError where it is absurdly large, OutputError where it is not writable.

        `about` is what the results depend on; it is compared as a whole.
        """
        self.path = Path(path)
        header = json.dumps({"format": FORMAT, **about}, sort_keys=True)
        self._results: dict[str, Any] = {}
        whole_bytes = self._read(header)
        if whole_bytes == 0:
            write_text(self.path, header + "\n")
        try:
            if whole_bytes and self.path.stat().st_size > whole_bytes:
                with self.path.open("r+b") as stream:
                    stream.truncate(whole_bytes)
            self._stream: BinaryIO = self.path.open("ab")
        except OSError as error:
            raise self._cannot_write(error) from error

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __getitem__(self, key: str) -> Any:
        return self._results[key]

    def add(self, key: str, stage: str, result: Any) -> None:
        """Appends one result, a value as read from JSON."""
        line = json.dumps({"job": key, "stage": stage, "result": result}, allow_nan=False)
        try:
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
        except OSError as error:
            raise self._cannot_write(error) from error
        self._results[key] = result

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written was already said by `add`
            self._stream.close()

    def _read(self, header: str) -> int:
        """Reads the results; returns the length of the whole lines, 0 where the file is to be begun."""
        try:
            size = self.path.stat().st_size
            if size > MAX_STORE_BYTES:
                raise DataError(
                    f"{self.path} has {size} bytes, expected at most {MAX_STORE_BYTES}",
                    hint="remove it; the results in it are computed again",
                )
            with self.path.open("rb") as stream:
                if stream.readline() != header.encode() + b"\n":
                    return 0
                whole_bytes = stream.tell()
                for line in stream:
                    if line.endswith(b"\n"):
                        self._take(line)
                        whole_bytes += len(line)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._cannot_write(error) from error
        return whole_bytes

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(row, dict) and isinstance(row.get("job"), str) and "result" in row:
            self._results[row["job"]] = row["result"]

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path}, which keeps the finished jobs, cannot be written ({error.strerror or error})",
            hint="free some disk space or choose another folder, then run the same command again",
        )

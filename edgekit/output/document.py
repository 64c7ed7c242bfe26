"""Results as one JSON document that is written while the run goes on, so that its length costs no memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from edgekit.files import UNENCODABLE, atomic_path


@contextlib.contextmanager
def json_document(stream: TextIO, header: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that appends one image's results to {**header, "results": [...]} on `stream`."""
    opening = json.dumps(header, ensure_ascii=False)[:-1]
    stream.write(f'{opening}{", " if header else ""}"results": [')
    first = True

    def append(row: dict[str, Any]) -> None:
        nonlocal first
        stream.write(("\n" if first else ",\n") + json.dumps(row, ensure_ascii=False))
        first = False

    yield append
    stream.write("\n]}\n")
    stream.flush()


@contextlib.contextmanager
def json_file(path: Path, header: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """The same in a file, which appears when it is complete."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors=UNENCODABLE) as stream,
        json_document(stream, header) as append,
    ):
        yield append

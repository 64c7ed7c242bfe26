"""JSON documents that are written while a run goes on, so that their length costs no memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from edgekit.files import UNENCODABLE, atomic_path

Append = Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def streamed_array(stream: TextIO, opening: str, closing: str) -> Iterator[Append]:
    """Yield a function that appends one object to the JSON array that `opening` begins and `closing` ends."""
    stream.write(opening)
    separator = "\n"

    def append(row: dict[str, Any]) -> None:
        nonlocal separator
        stream.write(separator + json.dumps(row, ensure_ascii=False))
        separator = ",\n"

    yield append
    stream.write(closing)
    stream.flush()


@contextlib.contextmanager
def json_document(stream: TextIO, header: dict[str, Any]) -> Iterator[Append]:
    """Yield a function that appends one image's results to {**header, "results": [...]} on `stream`."""
    opening = json.dumps(header, ensure_ascii=False)[:-1]
    with streamed_array(stream, f'{opening}{", " if header else ""}"results": [', "\n]}\n") as append:
        yield append


@contextlib.contextmanager
def atomic_stream(path: Path) -> Iterator[TextIO]:
    """Yield a text stream to `path`, which appears when the block ends without an error."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors=UNENCODABLE) as stream,
    ):
        yield stream


@contextlib.contextmanager
def json_file(path: Path, header: dict[str, Any]) -> Iterator[Append]:
    """Yield what `json_document` does, for a file that appears when it is complete."""
    with atomic_stream(path) as stream, json_document(stream, header) as append:
        yield append

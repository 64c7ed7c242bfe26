"""JSON lines that survive a kill: rows up to the last checkpoint are kept, and a resumed run appends to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.errors import OutputError
from edgekit.files import json_line, writing

__all__ = ["Journal", "journal_lines", "journal_name"]


def journal_name(name: str) -> str:
    """Return the name of the journal beside the output `name`, which it becomes when the run is complete."""
    return f".{name}.journal"


class Journal:
    """Rows as JSON, one a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self._stream.write(json_line(row))

    def checkpoint(self) -> int:
        """Hand everything to the system and return how many bytes there are: what a resumed run keeps."""
        self._stream.flush()
        return self._stream.tell()


@contextlib.contextmanager
def journal_lines(path: Path, header: dict[str, Any], *, kept_bytes: int | None = None) -> Iterator[Journal]:
    """Write a line per row, the header first; the journal becomes `path` when the block ends well.

    Args:
        path: The output; until it is complete, its journal lies beside it.
        header: The first line of a new journal.
        kept_bytes: To resume: how much of the journal that is there counts (`Journal.checkpoint`); what a killed
            process wrote after it is cut off.

    Raises:
        OutputError: Where the journal cannot be written, or has fewer bytes than are to be kept.
    """
    journal = path.with_name(journal_name(path.name))
    with writing(journal, hint="free some space or choose another -o"):
        with journal.open("wb" if kept_bytes is None else "r+b") as stream:
            lines = Journal(stream)
            if kept_bytes is None:
                lines.write(header)
            else:
                _cut(stream, kept_bytes, journal)
            yield lines
        os.replace(journal, path)  # noqa: PTH105 (atomic, and over what --overwrite allows)


def _cut(stream: BinaryIO, kept_bytes: int, journal: Path) -> None:
    size = stream.seek(0, os.SEEK_END)
    if size < kept_bytes:
        raise OutputError(
            f"{journal} has {size} bytes, expected at least the {kept_bytes} of its last checkpoint",
            hint="run without --resume to begin from the first frame",
        )
    stream.truncate(kept_bytes)
    stream.seek(kept_bytes)

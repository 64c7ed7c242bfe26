"""A file of JSON lines, a header and then a row per image, that an interrupted run resumes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import DataError, OutputError
from edgekit.files import json_line, whole_lines, write_bytes

__all__ = ["files_fingerprint", "resume_rows"]


def resume_rows(
    path: Path, header: Mapping[str, Any], row_id: Callable[[Any], int], known_ids: Collection[int]
) -> set[int]:
    """Make a file ready to be appended to.

    A line cut short by a crash is removed, and a file of another run replaced, as a whole or not at all: a crash in
    here loses no row.

    Args:
        path: The file.
        header: Its first line: what every row depends on.
        row_id: Returns the image's id of a parsed row; raises ValueError, TypeError or DataError for a damaged one.
        known_ids: Those of the images of this run.

    Returns:
        The ids of the rows that are there already.

    Raises:
        OutputError: It cannot be read or written.
    """
    try:
        lines, size = whole_lines(path), path.stat().st_size if path.is_file() else 0
    except OSError as error:
        raise OutputError(
            f"{path} cannot be read ({error.strerror or error})", hint="choose another folder with -o"
        ) from error
    try:
        same = bool(lines) and json.loads(lines[0].decode()) == header
        rows = [row_id(json.loads(line.decode())) for line in lines[1:]] if same else []
        ids = set(rows)
        same = same and len(ids) == len(rows) and ids <= set(known_ids)
    except (ValueError, TypeError, RecursionError, DataError):
        same, ids = False, set()
    whole = b"".join(line + b"\n" for line in lines) if same else json_line(header)
    if not same or len(whole) != size:
        write_bytes(path, whole)
    return ids if same else set()


def files_fingerprint(files: Iterable[tuple[int, Path]]) -> str:
    """Return the SHA-256 of files' ids, paths, sizes and times: ids are 1, 2, ... in every data set.

    Args:
        files: Id and path of each.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256()
    for file_id, file in files:
        try:
            status = file.stat()
            stamp = f"{status.st_size}\0{status.st_mtime_ns}"
        except (OSError, ValueError):
            stamp = "absent"
        path = os.path.abspath(file)  # noqa: PTH100
        digest.update(f"{file_id}\0{path}\0{stamp}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()

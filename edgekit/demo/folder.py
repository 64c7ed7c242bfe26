"""The demo's output folder: replaced each time, but never anything that no demo wrote."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import DataError, OutputError
from edgekit.files import read_json, write_json, writing
from edgekit.records import envelope

RECORD = "demo.json"  # names every file of a demo's output, so that the next demo knows what it may replace
KIND = "demo"  # of the schema of its record


@contextlib.contextmanager
def replaced_folder(out: Path, parts: tuple[str, ...]) -> Iterator[None]:
    """Empty `out` of an earlier demo; on any failure, Ctrl-C included, empty it of this one.

    Args:
        out: The folder.
        parts: Names that a demo writes into it.

    Yields:
        Nothing, while the demo is written.

    Raises:
        OutputError: If `out` holds anything else, or cannot be written.
    """
    check_replaceable(out, parts)
    with writing(out, hint="free some disk space or choose another folder with -o"):
        _clear(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RECORD, {**envelope(KIND), "finished": False, "files": [RECORD]})
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            _clear(out)
        raise


def write_record(out: Path, summary: dict[str, object]) -> None:
    """Write demo.json: the summary and the names of all files; without it the folder counts as unfinished."""
    write_json(out / RECORD, {**envelope(KIND), "finished": True, **summary, "files": _files(out)})


def check_replaceable(out: Path, parts: tuple[str, ...]) -> None:
    """Raise OutputError unless `out` is absent, empty, or holds only an earlier demo's files."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file, expected a folder to make", hint="choose another folder with -o")
    if not out.is_dir() or not any(out.iterdir()):
        return
    record = _record(out)
    foreign = next((name for name in _files(out) if not _is_ours(name, record, parts)), None)
    if foreign is not None:
        raise OutputError(
            f"{out} is not empty: it holds {foreign}, which no demo wrote",
            hint="choose another folder with -o, or move that elsewhere",
        )


def _is_ours(name: str, record: dict[str, object] | None, parts: tuple[str, ...]) -> bool:
    if record is None:
        return False
    if record.get("finished") is True:
        files = record.get("files")
        return isinstance(files, list) and name in files
    return name.split("/")[0] in (*parts, RECORD)  # it was killed before it could record its files


def _record(out: Path) -> dict[str, object] | None:
    """Return what demo.json holds; None if there is none, or it is of something else."""
    try:
        record = read_json(out / RECORD)
    except DataError:
        return None
    return record if isinstance(record, dict) and record.get("schema") == envelope(KIND)["schema"] else None


def _clear(out: Path) -> None:
    """Remove what is in `out`; the folder itself stays, it may be the user's own."""
    for path in sorted(out.iterdir()) if out.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _files(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    ]

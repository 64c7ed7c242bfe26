"""One writer per folder: a lock that names its holder and is given back however the holder ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgekit.errors import OutputError
from edgekit.files import is_file

LOCK_NAMES = ".edgekit-*.lock"
WINDOWS_BYTE = 1 << 20  # far behind what is written, so that others can read the holder's number
MAX_ATTEMPTS = 100


@contextlib.contextmanager
def folder_lock(folder: Path, work: str) -> Iterator[None]:
    """Hold the lock of `folder` inside the block.

    The system gives a lock back when its process ends, so one that a killed process left behind is simply taken.

    Args:
        folder: Made where it is missing, and removed again where it is then empty.
        work: What is done there, one word: "compile".

    Raises:
        OutputError: Where another process holds it, by number, or the folder cannot be written.
    """
    folder = Path(folder)
    path = folder / f".edgekit-{work}.lock"
    if is_file(folder):
        raise OutputError(f"{folder} is a file, expected a folder", hint="choose another place for the work")
    try:
        made = [location for location in (folder, *folder.parents) if not location.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        stream = _locked(path)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error})",
            hint="check its rights and the disk, or choose another folder",
        ) from error
    if stream is None:
        raise OutputError(
            f"{folder} is in use by {_holder(path)}, which does edgekit {work} there",
            hint="wait for it to end, or choose another folder",
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is held: who waits for this file finds it gone, and makes a new one
        stream.close()
        with contextlib.suppress(OSError):  # not empty: it holds the work
            for location in made:
                location.rmdir()


def has_only_locks(folder: Path) -> bool:
    """Whether nothing but locks lies in `folder`."""
    return all(path.match(LOCK_NAMES) for path in folder.iterdir())


def _locked(path: Path) -> IO[bytes] | None:
    """The open lock file, held; None where another process holds it."""
    for _ in range(MAX_ATTEMPTS):
        stream = path.open("a+b")
        if not _take(stream):
            stream.close()
            return None
        if _is_still(path, stream):
            stream.truncate(0)
            stream.write(f"{os.getpid()}\n".encode())
            stream.flush()
            return stream
        stream.close()  # its holder has removed it meanwhile
    return None


def _take(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return _take_on_windows(stream)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: as good as it gets there
    return True


def _take_on_windows(stream: IO[bytes]) -> bool:
    import msvcrt

    stream.seek(WINDOWS_BYTE)
    try:
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True


def _is_still(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        number = path.read_text(encoding="utf-8", errors="replace").strip()[:20]
    except OSError:
        number = ""
    return f"process {number}" if number.isdecimal() else "another process"

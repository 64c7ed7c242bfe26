"""A lock file: one holder at a time, given back however the holder ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.files import writing


@contextlib.contextmanager
def exclusive_lock(lock: Path, *, busy: EdgekitError) -> Iterator[None]:
    """Hold `lock` inside the block; raises `busy` where somebody else does, OutputError where it cannot be made.

    The folder of the lock is made where it is missing.
    """
    import fcntl  # not on Windows, where no toolchain runs but the rest of edgekit does

    with writing(lock.parent, hint="check its rights and the disk, or choose another folder"):
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise busy from error
        yield

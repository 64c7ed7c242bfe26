"""Where libraries that were compiled at first use are kept: a folder that nobody else can write to."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return where built kernels are kept: $XDG_CACHE_HOME or ~/.cache, else a private temporary folder.

    A library is loaded from here, so the folder must be an absolute path, belong to this user and let nobody else
    write, nor may everybody rename what is on the way to it; where that does not hold, or where there is no home, a
    fresh private folder serves this process alone.
    """
    folder = _cache_base()
    if folder is None:
        return _private_temporary()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        open_ways = [parent for parent in folder.resolve().parents if _is_open(parent)]
        if is_private(folder) and not open_ways and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _private_temporary()


def is_private(path: Path) -> bool:
    """Whether the folder or file is this user's own, is no link, and nobody else may write to it."""
    status = path.lstat()
    return (
        not stat.S_ISLNK(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _cache_base() -> Path | None:
    named = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if named.is_absolute():  # the specification says to ignore relative ones
        return named / "edgekit" / "kernels"
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry in the passwd file
        return None
    return home / ".cache" / "edgekit" / "kernels" if home.is_absolute() else None


def _is_open(folder: Path) -> bool:
    """Whether everybody may rename and replace what lies in the folder; a sticky one, as /tmp is, protects it."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


@functools.cache
def _private_temporary() -> Path:
    """A fresh folder that only this user can write to, removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="edgekit-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)

"""Paths as data files write them: relative to the file, with backslashes, or from a home folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath


def resolve(text: str, roots: Sequence[Path]) -> Path | None:
    """Find the file or folder that a line or field of a data file names.

    Tried in turn: the text below each root (or as it stands where it is absolute), with "~" as the home folder, and
    both with backslashes as separators.

    Args:
        text: The path as written.
        roots: Folders that a relative path may be relative to, the likeliest first.

    Returns:
        The first that exists; None where there is none, or where the text is no path at all.
    """
    if not text or "\0" in text:
        return None
    for form in dict.fromkeys((text, text.replace("\\", "/"))):
        for path in (Path(form), _expand(form)):
            if path is None:
                continue
            for candidate in [path] if path.is_absolute() else [root / path for root in roots]:
                if exists(candidate):
                    return candidate
    return None


def exists(path: Path) -> bool:
    """Return whether something is at `path`; a name that no file system takes, or a locked folder, is nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def file_name(text: str) -> str:
    """Return the last part of a path of either kind of separator."""
    return (PureWindowsPath(text) if "\\" in text else PurePosixPath(text)).name


def _expand(text: str) -> Path | None:
    if not text.startswith("~"):
        return None
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # a home folder that nobody knows
        return None

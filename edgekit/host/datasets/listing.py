"""Photos on a disk: those below a folder, those that a list names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.datapath import resolve
from edgekit.ops.photo import PHOTO_SUFFIXES
from edgekit.runtime.sources import find_photos
from edgekit.text import read_text

MAX_LIST_BYTES = 256 << 20  # a list of a million photos has about 100 MB


@dataclass(frozen=True, slots=True)
class Listing:
    """Files that are there, in the order of their source, and the names of those that are not."""

    paths: tuple[Path, ...]
    missing: tuple[str, ...] = ()


def photos_below(folder: Path) -> tuple[Path, ...]:
    """Every photo below `folder`, sorted by path; hidden files are passed by."""
    return tuple(find_photos(folder))


def is_photo_name(name: str) -> bool:
    return name.lower().endswith(PHOTO_SUFFIXES) and not name.startswith(".")


def listed_photos(list_file: Path, *, root: Path | None = None) -> Listing:
    """The photos that a text file names, one per line, relative to it (or to `root`); # begins a comment."""
    paths: list[Path] = []
    missing: list[str] = []
    roots = [list_file.parent, *([root] if root else [])]
    for line in _lines(list_file):
        path = resolve(line, roots)
        paths.append(path) if path is not None and path.is_file() else missing.append(line)
    return Listing(tuple(dict.fromkeys(paths)), tuple(missing))


def _lines(list_file: Path) -> list[str]:
    lines = (line.strip() for line in read_text(list_file, max_bytes=MAX_LIST_BYTES).splitlines())
    return [line for line in lines if line and not line.startswith("#")]

"""Photos on a disk: those below a folder, those that a list names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.datapath import resolve
from edgekit.files import is_file
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
    """The photos that a text file names, one per line, relative to it (or to `root`).

    A line that begins with # is a comment, unless a photo has that name.
    """
    paths: list[Path] = []
    missing: list[str] = []
    roots = [list_file.parent, *([root] if root else [])]
    for line in _lines(list_file):
        path = resolve(line, roots)
        if path is not None and is_file(path):
            paths.append(path)
        elif not line.startswith("#"):
            missing.append(line)
    return Listing(tuple(dict.fromkeys(paths)), tuple(missing))


def _lines(list_file: Path) -> list[str]:
    lines = (line.strip() for line in read_text(list_file, max_bytes=MAX_LIST_BYTES).split("\n"))
    return [line for line in lines if line]

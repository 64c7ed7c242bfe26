"""Photos on a disk: those below a folder, those that a list names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DataError
from edgekit.ops.photo import PHOTO_SUFFIXES
from edgekit.runtime.sources import find_photos

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
    for line in _lines(list_file):
        here = list_file.parent / line
        other = root / line if root else here
        path = here if here.is_file() else other
        paths.append(path) if path.is_file() else missing.append(line)
    return Listing(tuple(dict.fromkeys(paths)), tuple(missing))


def _lines(list_file: Path) -> list[str]:
    try:
        if list_file.stat().st_size > MAX_LIST_BYTES:
            raise DataError(
                f"{list_file} has {list_file.stat().st_size} bytes, expected a list of photos",
                hint="give a text file with one path per line",
            )
        text = list_file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{list_file} cannot be read ({error.strerror})", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{list_file} is no UTF-8 text, expected a list of photos",
            hint="give a text file with one path per line",
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#") and "\0" not in line]

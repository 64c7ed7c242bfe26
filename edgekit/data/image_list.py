"""Images on a disk: those below a folder, those that a list names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.datapath import resolve
from edgekit.files import is_file
from edgekit.ops.image import IMAGE_SUFFIXES
from edgekit.runtime.sources import find_images
from edgekit.text import read_text

MAX_LIST_BYTES = 256 << 20  # a list of a million images has about 100 MB


@dataclass(frozen=True, slots=True)
class Listing:
    """Files that are there, in the order of their source, and the names of those that are not."""

    paths: tuple[Path, ...]
    missing: tuple[str, ...] = ()


def images_below(folder: Path) -> tuple[Path, ...]:
    """Every image below `folder`, sorted by path; hidden files are passed by."""
    return tuple(find_images(folder))


def is_image_name(name: str) -> bool:
    """Whether a file of this name is an image by its suffix, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def listed_images(list_file: Path, *, root: Path | None = None) -> Listing:
    """The images that a text file names, one per line, relative to it (or to `root`).

    A line that begins with # is a comment, unless an image has that name.
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

"""Photos that a list, COCO JSON or dataset yaml names, as the source of frames for run, perf and bench."""

from __future__ import annotations

from pathlib import Path

from edgekit.data.image_source import open_source as open_photo_list
from edgekit.errors import DataError, ImageError
from edgekit.runtime.sources import OnSkip, Source, names_photos, open_source, photo_source


def open_any_source(source: str, *, on_skip: OnSkip | None = None) -> Source:
    """Open everything that `runtime.sources.open_source` takes, and files that name photos.

    Args:
        source: A photo, folder, glob, video, camera or stream; or a list (.txt), COCO JSON or YOLO dataset yaml.
        on_skip: Told of each photo that is missing or cannot be decoded.

    Returns:
        The source; its frames are read when they are asked for.

    Raises:
        ImageError: Where there is nothing to read.
        DataError: Where the list is none.
    """
    if not names_photos(source):
        return open_source(source, on_skip=on_skip)
    opened = open_photo_list(Path(source), frames=1)
    for name in opened.missing:
        missing = ImageError(f"{name} (named by {source}) does not exist", hint="write paths relative to that file")
        if on_skip is None:
            raise missing
        on_skip(missing)
    return photo_source([picture.path for picture in opened.pictures], said=source, on_skip=on_skip, notes=opened.notes)


def photo_paths(source: Path, count: int) -> list[Path]:
    """List the first `count` photos of a folder, photo, glob, list, COCO JSON or dataset yaml.

    Raises:
        DataError: Where there is none, or the source is a video.
    """
    paths = [picture.path for picture in open_photo_list(Path(source), frames=1).pictures if picture.frame < 0]
    if not paths:
        raise DataError(f"{source} holds no photos", hint="give a folder of photos, a list or a COCO JSON")
    return paths[:count]

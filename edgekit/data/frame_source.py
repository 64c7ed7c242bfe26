"""Images that a list, COCO JSON or dataset yaml names, as the source of frames for run, perf and bench."""

from __future__ import annotations

from pathlib import Path

from edgekit.data.image_source import open_source as open_image_list
from edgekit.errors import DataError, ImageError
from edgekit.runtime.sources import OnSkip, Source, image_source, names_images, open_source


def open_any_source(source: str, *, on_skip: OnSkip | None = None) -> Source:
    """Open everything that `runtime.sources.open_source` takes, and files that name images.

    Args:
        source: An image, folder, glob, video, camera or stream; or a list (.txt), COCO JSON or YOLO dataset yaml.
        on_skip: Told of each image that is missing or cannot be decoded.

    Returns:
        The source; its frames are read when they are asked for.

    Raises:
        ImageError: Where there is nothing to read.
        DataError: Where the list is none.
    """
    if not names_images(source):
        return open_source(source, on_skip=on_skip)
    opened = open_image_list(Path(source), frames=1)
    for name in opened.missing:
        missing = ImageError(f"{name} (named by {source}) does not exist", hint="write paths relative to that file")
        if on_skip is None:
            raise missing
        on_skip(missing)
    return image_source([image.path for image in opened.images], named_by=source, on_skip=on_skip, notes=opened.notes)


def image_paths(source: Path, count: int) -> list[Path]:
    """List the first `count` images of a folder, image, glob, list, COCO JSON or dataset yaml.

    Raises:
        DataError: Where there is none, or the source is a video.
    """
    paths = [image.path for image in open_image_list(Path(source), frames=1).images if image.frame < 0]
    if not paths:
        raise DataError(f"{source} holds no images", hint="give a folder of images, a list or a COCO JSON")
    return paths[:count]

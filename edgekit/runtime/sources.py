"""Where pictures come from: a photo, a folder, a video or a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.ops.photo import PHOTO_SUFFIXES, read_photo

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: (h, w, 3) uint8 BGR, and its name (a path relative to the source, or a frame number)."""

    bgr: npt.NDArray[np.uint8]
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """Frames in order. `kind` is "photos", "video" or "camera"; `count` is 0 where it is not known."""

    kind: str
    count: int
    fps: float
    frames: Callable[[], Iterator[Frame]]


def open_source(source: str, *, on_skip: Callable[[ImageError], None] | None = None) -> Source:
    """Opens a photo, a folder of photos, a video, or a camera ("camera" or its number).

    A photo of a folder that cannot be decoded is given to `on_skip` and left out; without `on_skip` it raises.
    Raises ImageError where there is nothing to read.
    """
    if source == "camera" or source.isdigit():
        return _capture(int(source) if source.isdigit() else 0, "camera", f"camera {source}")
    path = Path(source)
    if path.is_dir():
        return _folder(path, on_skip)
    if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
        return _capture(str(path), "video", source)
    return Source("photos", 1, 0.0, lambda: iter([Frame(read_photo(path), path.name)]))


def find_photos(folder: Path) -> list[Path]:
    """Every photo below `folder` by its suffix, sorted; hidden files and folders are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _folder(folder: Path, on_skip: Callable[[ImageError], None] | None) -> Source:
    paths = find_photos(folder)
    if not paths:
        raise ImageError(
            f"folder {folder} holds no photo, expected files ending in {', '.join(PHOTO_SUFFIXES)}",
            hint="check the path of --source",
        )

    def frames() -> Iterator[Frame]:
        for path in paths:
            try:
                bgr = read_photo(path)
            except ImageError as error:
                if on_skip is None:
                    raise
                on_skip(error)
                continue
            yield Frame(bgr, path.relative_to(folder).as_posix())

    return Source("photos", len(paths), 0.0, frames)


def _capture(where: str | int, kind: str, name: str) -> Source:
    capture = cv2.VideoCapture(where)
    if not capture.isOpened():
        raise ImageError(
            f"{name} cannot be opened as a {kind}", hint="check the path, the codec or the camera's number"
        )
    count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))) if kind == "video" else 0
    fps = float(capture.get(cv2.CAP_PROP_FPS)) or 25.0  # cameras often say 0
    return Source(kind, count, fps, lambda: _captured(capture, name))


def _captured(capture: Any, name: str) -> Iterator[Frame]:
    index = 0
    try:
        while True:
            good, bgr = capture.read()
            if not good:
                break
            yield Frame(np.asarray(bgr, np.uint8), f"frame {index}")
            index += 1
    finally:
        capture.release()
    if index == 0:
        raise ImageError(f"{name} has no readable frame", hint="play it in a video player; convert it to mp4")

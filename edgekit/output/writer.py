"""Annotated pictures and videos on disk, each written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError
from edgekit.files import atomic_path

Picture = npt.NDArray[np.uint8]
KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # a photo of another kind comes out as .jpg beside its name


def write_picture(path: Path, bgr: Picture) -> Path:
    """Writes a picture under `path`, as JPEG where its own suffix is none of KEPT_SUFFIXES; gives the path used."""
    if path.suffix.lower() not in KEPT_SUFFIXES:
        path = path.with_name(path.name + ".jpg")
    with atomic_path(path) as temporary:
        if not cv2.imwrite(str(temporary), bgr):
            raise _failed(path)
    return path


@contextlib.contextmanager
def video_writer(path: Path, *, fps: float, size_wh: tuple[int, int]) -> Iterator[Callable[[Picture], None]]:
    """A function that appends a frame of `size_wh` to an .mp4 at `path`, which appears when all are written."""
    with atomic_path(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, size_wh)
        if not writer.isOpened():
            raise _failed(path)
        try:
            yield lambda bgr: _append(writer, bgr)
        finally:
            writer.release()
        if temporary.stat().st_size == 0:
            raise _failed(path)


def _append(writer: cv2.VideoWriter, bgr: Picture) -> None:
    writer.write(bgr)


def _failed(path: Path) -> OutputError:
    return OutputError(
        f"{path} cannot be written by OpenCV", hint="free some disk space or choose another place or format with -o"
    )

"""Annotated images and videos on disk, each written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError
from edgekit.files import atomic_path, write_bytes
from edgekit.output.names import image_name

Image = npt.NDArray[np.uint8]


def write_image(path: Path, bgr: Image) -> Path:
    """Write an image, whole or not at all.

    Args:
        path: The file; ".jpg" is appended if its own suffix is none that is kept.
        bgr: (h, w, 3) uint8.

    Returns:
        The path that was written.

    Raises:
        OutputError: OpenCV cannot write it, or the disk is full.
    """
    path = path.with_name(image_name(path.name))
    try:
        encoded, data = cv2.imencode(path.suffix.lower(), bgr)  # imwrite would not take a name that is no UTF-8
    except cv2.error as error:
        raise _failed(path) from error
    if not encoded:
        raise _failed(path)
    write_bytes(path, data.tobytes())
    return path


@contextlib.contextmanager
def video_writer(path: Path, *, fps: float, size_wh: tuple[int, int]) -> Iterator[Callable[[Image], None]]:
    """Yield a function that appends a frame of `size_wh` to an .mp4, which appears when all are written.

    Args:
        path: The file.
        fps: Frames per second.
        size_wh: Of every frame, in pixels.

    Yields:
        The function.

    Raises:
        OutputError: OpenCV cannot write it, or the disk is full.
    """
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


def _append(writer: cv2.VideoWriter, bgr: Image) -> None:
    writer.write(bgr)


def _failed(path: Path) -> OutputError:
    return OutputError(
        f"{path} cannot be written by OpenCV", hint="free some disk space or choose another place or format with -o"
    )

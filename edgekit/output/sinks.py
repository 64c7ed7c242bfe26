"""Where results go while a run goes on: images, videos, JSON, a window, a browser."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError
from edgekit.output.document import atomic_stream
from edgekit.output.folder import RunFolder
from edgekit.output.h264 import VideoEncoder
from edgekit.output.names import OutputNames, numbered
from edgekit.output.preview import Preview, listen_address
from edgekit.output.writer import video_writer, write_image

Image = npt.NDArray[np.uint8]
ImageSink = Callable[[str, Image], None]  # takes a frame's name and its annotated image
RowSink = Callable[[dict[str, Any]], None]  # takes a frame's results as JSON values
VIDEO_NAME = "video.mp4"
ESCAPE_KEYS = (27, ord("q"))


def image_sink(folder: RunFolder, names: OutputNames) -> ImageSink:
    """Return a function that writes every image under its own name in `folder`."""

    def write(name: str, image: Image) -> None:
        write_image(folder.take(names.image(name)), image)

    return write


@contextlib.contextmanager
def video_sink(
    folder: RunFolder, *, fps: float, first: int = 1, encoder: VideoEncoder | None = None
) -> Iterator[ImageSink]:
    """Yield a function that appends images to a video; a new resolution begins another one (video-2.mp4, ...).

    Args:
        folder: Of the run.
        fps: Frames per second.
        first: The number of the first video, above 1 if a resumed run continues beside earlier ones.
        encoder: What encodes H.264; without it OpenCV writes mp4v.
    """
    writer = video_writer if encoder is None else encoder.writer
    with contextlib.ExitStack() as stack:
        append: Callable[[Image], None] | None = None
        size_wh, number = (0, 0), first - 1

        def write(name: str, image: Image) -> None:
            nonlocal append, size_wh, number
            image_wh = (image.shape[1], image.shape[0])
            if append is None or image_wh != size_wh:
                size_wh, number = image_wh, number + 1
                path = folder.take(numbered(VIDEO_NAME, number))
                append = stack.enter_context(writer(path, fps=fps, size_wh=size_wh))
            append(image)

        yield write


@contextlib.contextmanager
def json_lines(path: Path, header: dict[str, Any]) -> Iterator[RowSink]:
    """Yield a function that writes a line per frame, after the header; the file appears when it is complete."""
    with atomic_stream(path) as stream:

        def write(row: dict[str, Any]) -> None:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

        write(header)
        yield write


@contextlib.contextmanager
def window_sink(title: str) -> Iterator[ImageSink]:
    """Yield a function that shows images in a window; Escape or q ends the run.

    Raises:
        OutputError: There is no display.
    """
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise OutputError("no window can be opened here", hint="use --preview PORT and a browser instead") from error

    def show(name: str, image: Image) -> None:
        cv2.imshow(title, image)
        if cv2.waitKey(1) & 0xFF in ESCAPE_KEYS:
            raise KeyboardInterrupt

    try:
        yield show
    finally:
        cv2.destroyWindow(title)


@contextlib.contextmanager
def preview_sink(port: int, *, names: Sequence[str] = (), on_ready: Callable[[str], None]) -> Iterator[ImageSink]:
    """Yield a function that shows the newest image in a browser.

    Args:
        port: Where the preview listens.
        names: The addresses and names, besides loopback ones, that viewers ask for; if there are more than loopback
            names, it listens for them.
        on_ready: Gets the address.
    """
    preview = Preview(port, host=listen_address(names), names=names)
    on_ready(preview.url)
    try:
        yield lambda name, image: preview.show(image)
    finally:
        preview.close()

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
from edgekit.files import UNENCODABLE, atomic_path
from edgekit.output.folder import RunFolder
from edgekit.output.names import OutputNames, numbered
from edgekit.output.preview import Preview, listen_address
from edgekit.output.writer import video_writer, write_image

Image = npt.NDArray[np.uint8]
ImageSink = Callable[[str, Image], None]  # takes a frame's name and its annotated image
RowSink = Callable[[dict[str, Any]], None]  # takes a frame's results as JSON values
VIDEO_NAME = "video.mp4"
ESCAPE_KEYS = (27, ord("q"))


def image_sink(folder: RunFolder, names: OutputNames) -> ImageSink:
    """Every image under its own name in `folder`."""

    def write(name: str, image: Image) -> None:
        write_image(folder.take(names.image(name)), image)

    return write


@contextlib.contextmanager
def video_sink(folder: RunFolder, *, fps: float, first: int = 1) -> Iterator[ImageSink]:
    """One video; where the resolution changes on the way, another one begins (video-2.mp4, ...).

    `first` is the number of the first one, above 1 where a resumed run goes on beside earlier ones.
    """
    with contextlib.ExitStack() as stack:
        append: Callable[[Image], None] | None = None
        size_wh, number = (0, 0), first - 1

        def write(name: str, image: Image) -> None:
            nonlocal append, size_wh, number
            found = (image.shape[1], image.shape[0])
            if append is None or found != size_wh:
                size_wh, number = found, number + 1
                path = folder.take(numbered(VIDEO_NAME, number))
                append = stack.enter_context(video_writer(path, fps=fps, size_wh=size_wh))
            append(image)

        yield write


@contextlib.contextmanager
def json_lines(path: Path, header: dict[str, Any]) -> Iterator[RowSink]:
    """A line per frame, the header first; what a long run writes. The file appears when it is complete."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", errors=UNENCODABLE) as stream:

        def write(row: dict[str, Any]) -> None:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

        write(header)
        yield write


@contextlib.contextmanager
def window_sink(title: str) -> Iterator[ImageSink]:
    """A window; Escape or q ends the run. Raises OutputError where there is no display."""
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
    """The newest image in a browser; `on_ready` gets the address.

    names: the addresses and names, besides loopback ones, that viewers ask for; where they say more than loopback,
    it listens there.
    """
    preview = Preview(port, host=listen_address(names), names=names)
    on_ready(preview.url)
    try:
        yield lambda name, image: preview.show(image)
    finally:
        preview.close()

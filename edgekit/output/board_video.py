"""Annotated videos as H.264 by the board's own encoder, which leaves the CPU to the decoding of heads.

The encoder (`hobot_vio.libsrcampy.Encoder`, its documented Python API) gives a bare stream; ffmpeg puts it into an
.mp4 without touching it, so any ffmpeg will do, also one that cannot encode H.264 itself.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, OutputError
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.output.h264 import ffmpeg_stream
from edgekit.preprocess import ColorRange

__all__ = ["BoardEncoder", "find_board_encoder"]

LIBRARY = "hobot_vio.libsrcampy"
CHANNELS = 32
H264 = 1  # of the encoder's types
KILOBITS = 8000  # per second, its own default
MAX_SIDE = 4096
RANGE: ColorRange = "studio"  # 16 to 235, what players expect of an H.264 stream that says nothing

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BoardEncoder:
    """The board's encoder library, and the ffmpeg that makes .mp4 of its stream."""

    library: Any
    command: str

    def writer(
        self, path: Path, *, fps: float, size_wh: tuple[int, int]
    ) -> contextlib.AbstractContextManager[Callable[[Image], None]]:
        """Return what appends a frame (h, w, 3) uint8 BGR of `size_wh` to an H.264 .mp4.

        Args:
            path: The video; it appears when all frames are written.
            fps: Frames per second.
            size_wh: The size of every frame; an odd side gets one black column or row more.

        Raises:
            DeviceError: The encoder refuses the size or a frame.
            OutputError: ffmpeg fails.
        """
        return _board_writer(self, path, fps, size_wh)


def find_board_encoder() -> BoardEncoder:
    """Return the board's encoder.

    Raises:
        DeviceError: This is no board with `hobot_vio`.
        OutputError: There is no ffmpeg to write .mp4 with.
    """
    try:
        library = importlib.import_module(LIBRARY)
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"no video encoder of a board here (hobot_vio: {error})", hint="use it on the board; elsewhere --codec auto"
        ) from error
    command = shutil.which("ffmpeg")
    if command is None:
        raise OutputError("the board's encoder needs ffmpeg to write .mp4, and there is none on PATH",
                          hint="install ffmpeg, or use --codec mp4v")  # fmt: skip
    return BoardEncoder(library, command)


@contextlib.contextmanager
def _board_writer(
    encoder: BoardEncoder, path: Path, fps: float, size_wh: tuple[int, int]
) -> Iterator[Callable[[Image], None]]:
    width, height = (side + side % 2 for side in size_wh)
    times = ("-bsf:v", f"setts=ts=N/{fps:.6g}/TB")  # a bare stream has none
    stream = ("-f", "h264", "-r", f"{fps:.6g}", "-i", "-", "-c:v", "copy", *times)
    with _opened(encoder.library, width, height) as coder, ffmpeg_stream(path, encoder.command, stream) as write:

        def append(image: Image) -> None:
            even = cv2.copyMakeBorder(image, 0, height - image.shape[0], 0, width - image.shape[1], cv2.BORDER_CONSTANT)
            nv12 = bgr_to_nv12(np.asarray(even, np.uint8), color_range=RANGE)
            if coder.encode_file(nv12.tobytes()) != 0:
                raise DeviceError(
                    "the board's encoder refuses a frame", hint="check that nobody else uses it, or use --codec auto"
                )
            data = coder.get_img()
            if data is not None:
                write(bytes(data))

        yield append


@contextlib.contextmanager
def _opened(library: Any, width: int, height: int) -> Iterator[Any]:
    if max(width, height) > MAX_SIDE:
        raise DeviceError(
            f"frames are {width}x{height}, expected at most {MAX_SIDE} a side for the board's encoder",
            hint="use --codec auto",
        )
    coder = library.Encoder()
    with _channel() as channel:
        if coder.encode(channel, H264, width, height, KILOBITS) != 0:
            raise DeviceError(
                f"the board's encoder cannot be opened for {width}x{height}",
                hint="check that nobody else uses it, or use --codec auto",
            )
        try:
            yield coder
        finally:
            coder.close()


_taken: set[int] = set()
_taking = threading.Lock()


@contextlib.contextmanager
def _channel() -> Iterator[int]:
    """A channel of the encoder that no other video of this process has."""
    with _taking:
        free = next((channel for channel in range(CHANNELS) if channel not in _taken), None)
        if free is None:
            raise DeviceError(
                f"all {CHANNELS} channels of the board's encoder are in use", hint="write fewer videos at once"
            )
        _taken.add(free)
    try:
        yield free
    finally:
        with _taking:
            _taken.discard(free)

"""Annotated videos as H.264 by ffmpeg, where it is installed: browsers and messengers play them."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import OutputError
from edgekit.files import atomic_path
from edgekit.text import printable

__all__ = ["EVEN_SIDES", "H264Encoder", "VideoEncoder", "ffmpeg_stream", "find_h264", "h264_writer"]

# Encoders of ffmpeg with their options, the best first: software, then what the kernel of a board offers.
ENCODERS: dict[str, tuple[str, ...]] = {
    "libx264": ("-preset", "veryfast", "-crf", "23"),
    "libopenh264": ("-b:v", "4M"),
    "h264_v4l2m2m": ("-b:v", "4M"),
}
PROBE_TIMEOUT_S = 20.0
FINISH_TIMEOUT_S = 120.0
SHOWN = 300  # characters of what ffmpeg says
EVEN_SIDES = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # 4:2:0 has a chroma sample for two pixels each way

Image = npt.NDArray[np.uint8]


class VideoEncoder(Protocol):
    """What encodes annotated videos."""

    def writer(
        self, path: Path, *, fps: float, size_wh: tuple[int, int]
    ) -> contextlib.AbstractContextManager[Callable[[Image], None]]:
        """Return what appends frames (h, w, 3) uint8 BGR of one size to a video."""


@dataclass(frozen=True, slots=True)
class H264Encoder:
    """An ffmpeg and the encoder in it."""

    command: str
    name: str

    def writer(
        self, path: Path, *, fps: float, size_wh: tuple[int, int]
    ) -> contextlib.AbstractContextManager[Callable[[Image], None]]:
        """Return `h264_writer` for this encoder."""
        return h264_writer(path, fps=fps, size_wh=size_wh, encoder=self)


@functools.lru_cache(maxsize=1)
def find_h264() -> H264Encoder | None:
    """Return the ffmpeg on PATH and the best H.264 encoder that it lists; None where there is none."""
    command = shutil.which("ffmpeg")
    if command is None:
        return None
    try:
        listing = subprocess.run(
            [command, "-hide_banner", "-encoders"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None
    listed = {words[1] for words in map(str.split, listing.splitlines()) if len(words) > 1}
    name = next((name for name in ENCODERS if name in listed), None)
    return None if name is None else H264Encoder(command, name)


@contextlib.contextmanager
def h264_writer(
    path: Path, *, fps: float, size_wh: tuple[int, int], encoder: H264Encoder
) -> Iterator[Callable[[Image], None]]:
    """Yield a function that appends a frame (h, w, 3) uint8 BGR of `size_wh` to an H.264 .mp4.

    Args:
        path: The video; it appears when all frames are written.
        fps: Frames per second.
        size_wh: The size of every frame; an odd side gets one black column or row more.
        encoder: What encodes (`find_h264`).

    Raises:
        OutputError: Where ffmpeg fails, with what it said.
    """
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size_wh[0]}x{size_wh[1]}", "-r", f"{fps:.6g}", "-i", "-")
    coded = ("-vf", EVEN_SIDES, "-c:v", encoder.name, *ENCODERS[encoder.name], "-pix_fmt", "yuv420p")
    with ffmpeg_stream(path, encoder.command, (*raw, *coded)) as write:
        yield lambda image: write(np.ascontiguousarray(image).data)


@contextlib.contextmanager
def ffmpeg_stream(path: Path, command: str, arguments: Sequence[str]) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Yield a function that hands bytes to an ffmpeg that writes an .mp4.

    Args:
        path: The video; it appears when all is written.
        command: The ffmpeg.
        arguments: Its input, which is `-`, and how that is encoded.

    Raises:
        OutputError: Where ffmpeg fails, with what it said.
    """
    with atomic_path(path) as temporary, tempfile.TemporaryFile() as error_output:
        process = _started(temporary, command, arguments, error_output)
        try:
            assert process.stdin is not None
            yield functools.partial(_append, process.stdin, path, error_output)
            _close(process.stdin)
            if process.wait(timeout=FINISH_TIMEOUT_S) != 0:
                raise _failed(path, error_output)
        except subprocess.TimeoutExpired as error:
            raise _failed(path, error_output) from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdin is not None:
                _close(process.stdin)


def _started(path: Path, command: str, arguments: Sequence[str], error_output: IO[bytes]) -> subprocess.Popen[bytes]:
    quiet, playable = ("-hide_banner", "-loglevel", "error", "-y"), ("-movflags", "+faststart")
    try:
        return subprocess.Popen(
            [command, *quiet, *arguments, *playable, f"file:{path.absolute()}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=error_output,
            start_new_session=True,  # Ctrl-C is for the run, which then ends the video
        )
    except OSError as error:
        raise OutputError(f"{command} cannot be started ({error})", hint="install ffmpeg again") from error


def _append(stream: IO[bytes], path: Path, error_output: IO[bytes], data: bytes | memoryview) -> None:
    try:
        stream.write(data)
    except (OSError, ValueError) as error:  # it has ended: what it said tells why
        raise _failed(path, error_output) from error


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        stream.close()


def _failed(path: Path, error_output: IO[bytes]) -> OutputError:
    error_output.seek(0)
    lines = printable(error_output.read(1 << 16).decode(errors="replace"), SHOWN).split("\n")
    why = next((line.strip() for line in lines if line.strip()), "it said nothing")
    return OutputError(
        f"{path} cannot be encoded by ffmpeg ({why})", hint="check the disk's space, or use --codec mp4v"
    )

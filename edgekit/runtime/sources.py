"""Where images come from: images, a video, a camera or a stream."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.datapath import exists
from edgekit.errors import ImageError
from edgekit.files import is_file
from edgekit.ops.image import IMAGE_SUFFIXES, read_image
from edgekit.runtime.capture import CvGrabber, Grabber, MipiGrabber, live_frames, video_frames

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
LIST_SUFFIXES = (".json", ".txt", ".yaml", ".yml")  # files that name images; the host's readers open them
STREAM_PREFIXES = ("rtsp://", "rtmp://", "http://", "https://", "udp://", "tcp://")
DEFAULT_FPS = 25.0  # of an annotated video whose source does not say its own
MAX_CAMERA_DIGITS = 4
OnSkip = Callable[[ImageError], None]


@dataclass(frozen=True, slots=True)
class Frame:
    """One image.

    Attributes:
        bgr: (h, w, 3) uint8.
        name: A path relative to the source, or a frame number.
        arrays: By input name, of a model that takes more than one image or none; `bgr` then stands for the sample.
    """

    bgr: npt.NDArray[np.uint8]
    name: str
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def sample(self) -> npt.NDArray[np.uint8] | Mapping[str, npt.NDArray[Any]]:
        """What `Session.prepare` takes of it."""
        return self.arrays or self.bgr


@dataclass(frozen=True, slots=True)
class Source:
    """Frames in order.

    Attributes:
        kind: "images", "video" or "camera".
        count: 0 if it is not known.
        fps: Frames per second; 0 for images.
        frames: Opens the source and yields its frames.
        live: Whether it goes on whether or not anybody reads it.
        names: Those of all images, skipped ones too, each once.
        files: What is read, so that nothing is written over it.
        notes: What the user should know.
    """

    kind: str
    count: int
    fps: float
    frames: Callable[[], Iterator[Frame]]
    live: bool = False
    names: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def names_images(source: str) -> bool:
    """Return whether a source is a file that names images, by its ending: a list, COCO JSON or dataset yaml."""
    return not source.startswith(STREAM_PREFIXES) and Path(source).suffix.lower() in LIST_SUFFIXES


def open_source(source: str, *, on_skip: OnSkip | None = None) -> Source:
    """Open an image, a folder or glob of images, a video, a camera or a stream.

    Args:
        source: A path or pattern; "camera" or a number; "mipi" or "mipi:1" on the board; rtsp://, http:// and the like.
        on_skip: Gets the error of what cannot be decoded in the middle, which is left out; without it, an image raises.

    Returns:
        The source.

    Raises:
        ImageError: There is nothing to read.
    """
    if source == "camera" or _is_number(source):
        number = _camera_number(source) if source != "camera" else 0
        return _live(lambda: CvGrabber(number), f"camera {number}", on_skip)
    if source.split(":")[0] == "mipi":
        pipe = _camera_number(source.partition(":")[2] or "0")
        return _live(lambda: MipiGrabber(pipe), source, on_skip)
    if source.startswith(STREAM_PREFIXES):
        return _live(lambda: CvGrabber(source), source, on_skip)
    path = Path(source)
    there = exists(path)
    if there and path.is_dir():
        return _images(path, find_images(path), on_skip)
    if is_glob(source):
        return _images(Path(), glob_images(source), on_skip, source)
    if path.suffix.lower() in VIDEO_SUFFIXES and there:
        return _video(source, on_skip)
    return Source("images", 1, 0.0, lambda: iter([Frame(_read(path), path.name)]), names=(path.name,), files=(path,))


def image_source(
    paths: Sequence[Path], *, named_by: str, on_skip: OnSkip | None = None, notes: tuple[str, ...] = ()
) -> Source:
    """Open images that a list, COCO JSON or dataset yaml named; `named_by` is that file, for messages."""
    return replace(_images(Path(), list(paths), on_skip, named_by), notes=notes)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()  # "\u00b2" is a digit for Python, and no number for int()


def _camera_number(text: str) -> int:
    if not _is_number(text) or len(text) > MAX_CAMERA_DIGITS:
        raise ImageError(
            f"camera {text[:40]!r} is no number from 0 to {10**MAX_CAMERA_DIGITS - 1}",
            hint="give --source 0, mipi or mipi:1",
        )
    return int(text)


def is_glob(source: str) -> bool:
    """Return whether a source is a pattern with *, ? or [, and not the name of an existing path."""
    return any(c in source for c in "*?[") and not exists(Path(source))


def glob_images(pattern: str) -> list[Path]:
    """Return every image that a pattern matches ("**" for folders below), by its suffix, sorted."""
    matches = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
    return [path for path in matches if path.suffix.lower() in IMAGE_SUFFIXES and is_file(path)]


def find_images(folder: Path) -> list[Path]:
    """Return every image below `folder` by its suffix, sorted; hidden files and folders are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and is_file(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _images(root: Path, paths: list[Path], on_skip: OnSkip | None, named_by: str = "") -> Source:
    if not paths:
        raise ImageError(
            f"{named_by or root} holds no image, expected files ending in {', '.join(IMAGE_SUFFIXES)}",
            hint="check the path of --source",
        )
    by_name = _by_name(root, paths)

    def frames() -> Iterator[Frame]:
        for name, path in by_name.items():
            try:
                bgr = _read(path)
            except ImageError as error:
                if on_skip is None:
                    raise
                on_skip(error)
                continue
            yield Frame(bgr, name)

    return Source("images", len(by_name), 0.0, frames, names=tuple(by_name), files=tuple(paths))


def _read(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image; whatever that raises becomes an ImageError that names it, so that the others go on."""
    try:
        return read_image(path)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(
            f"{path} cannot be read ({type(error).__name__}: {error})", hint="save it as JPEG or PNG again"
        ) from error


def _by_name(root: Path, paths: list[Path]) -> dict[str, Path]:
    """Return names below the folder that all paths share, so that none leaves the output folder; each image once."""
    absolute = [Path(os.path.normpath(path.absolute())) for path in paths]
    shared = Path(os.path.normpath(root.absolute()))
    if str(root) == ".":
        shared = Path(os.path.commonpath([path.parent for path in absolute]))
    return {path.relative_to(shared).as_posix(): original for path, original in zip(absolute, paths, strict=True)}


def _video(source: str, on_skip: OnSkip | None) -> Source:
    first = CvGrabber(source)
    info = first.info
    first.release()

    def frames() -> Iterator[Frame]:
        for index, bgr in enumerate(video_frames(CvGrabber(source), source, info.count, on_skip)):
            yield Frame(bgr, f"frame {index}")

    return Source("video", info.count, info.fps or DEFAULT_FPS, frames, files=(Path(source),))


def _live(open_grabber: Callable[[], Grabber], name: str, on_skip: OnSkip | None) -> Source:
    open_grabber().release()  # what is not there is said before anything else is set up

    def frames() -> Iterator[Frame]:
        for index, bgr in enumerate(live_frames(open_grabber, name, on_skip)):
            yield Frame(bgr, f"frame {index}")

    return Source("camera", 0, DEFAULT_FPS, frames, live=True)

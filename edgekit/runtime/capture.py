"""Videos, cameras and streams: frames one after the other, with what happens in the field on the way."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import DeviceError, ImageError
from edgekit.ops.nv12 import nv12_to_bgr
from edgekit.preprocess import ColorRange

Bgr = npt.NDArray[np.uint8]
CAMERA_RANGE: ColorRange = "studio"  # of the board's MIPI cameras: the video standard's usual one, not verified
BAD_FRAMES = 30  # unreadable frames in a row after which the rest of a video is given up
REOPEN_S = 1.0  # between two attempts to open a live source again
REOPEN_TIMEOUT_S = 10.0  # without a frame, after which a live source is given up


class Grabber(Protocol):
    """What gives frames: cv2.VideoCapture or a board's camera. `read` gives None where there is no frame."""

    def read(self) -> Bgr | None:
        """Return the next frame (h, w, 3) uint8 BGR; None if there is none."""
        ...

    def release(self) -> None:
        """Close the source."""
        ...


@dataclass(frozen=True, slots=True)
class CaptureInfo:
    """What a source says of itself; `count` and `fps` are 0 where it says nothing."""

    count: int = 0
    fps: float = 0.0


class CvGrabber:
    """A video file, camera or URL through OpenCV."""

    def __init__(self, where: str | int) -> None:
        if isinstance(where, str):
            check_video_name(where)
        self._capture = cv2.VideoCapture(where)
        if not self._capture.isOpened():
            self._capture.release()
            name = f"camera {where}" if isinstance(where, int) else where
            raise ImageError(
                f"{name} cannot be opened as a video", hint="check the path, address, codec or the camera's number"
            )

    @property
    def info(self) -> CaptureInfo:
        """Number of frames and frames per second, as the source reports them."""
        count, fps = self._capture.get(cv2.CAP_PROP_FRAME_COUNT), self._capture.get(cv2.CAP_PROP_FPS)
        return CaptureInfo(max(0, int(count)), max(0.0, float(fps)))

    def read(self) -> Bgr | None:
        """Return the next frame (h, w, 3) uint8 BGR; None if there is none."""
        good, bgr = self._capture.read()
        return np.asarray(bgr, np.uint8) if good else None

    def release(self) -> None:
        """Close the source."""
        self._capture.release()


def check_video_name(name: str) -> None:
    """Raise ImageError for a name that is not UTF-8, on which OpenCV crashes."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ImageError(
            f"the video's name {name!r} is not UTF-8, which OpenCV cannot open", hint="rename the file"
        ) from error
    if "\0" in name:
        raise ImageError(f"the video's name {name!r} holds a NUL character", hint="check the path")


class MipiGrabber:
    """The board's MIPI camera through `hobot_vio.libsrcampy`, which gives NV12."""

    def __init__(self, pipe: int = 0, *, fps: int = 30, size_wh: tuple[int, int] = (1920, 1080)) -> None:
        try:
            library = importlib.import_module("hobot_vio.libsrcampy")
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"no MIPI camera library here (hobot_vio: {error})",
                hint="use it on the board; elsewhere a camera number",
            ) from error
        self._size_wh = size_wh
        self._camera = library.Camera()
        if self._camera.open_cam(pipe, -1, fps, *size_wh) != 0:
            raise ImageError(
                f"MIPI camera {pipe} cannot be opened", hint="check the cable and that nobody else uses it"
            )

    def read(self) -> Bgr | None:
        """Return the next frame (h, w, 3) uint8 BGR; None if there is none."""
        data = self._camera.get_img(2, *self._size_wh)
        width, height = self._size_wh
        if data is None or len(data) != width * height * 3 // 2:
            return None
        return nv12_to_bgr(np.frombuffer(data, np.uint8), self._size_wh, color_range=CAMERA_RANGE)

    def release(self) -> None:
        """Close the camera."""
        self._camera.close_cam()


def video_frames(
    grabber: Grabber, name: str, count: int, on_skip: Callable[[ImageError], None] | None
) -> Iterator[Bgr]:
    """Yield every frame of a file.

    Args:
        grabber: The opened file; released at the end.
        name: Of the file, for messages.
        count: Its frames, as it reports them.
        on_skip: Gets an error for each unreadable frame in its middle.

    Raises:
        ImageError: Not one frame can be read.
    """
    read = bad = bad_in_a_row = 0
    try:
        while bad_in_a_row < BAD_FRAMES:
            bgr = grabber.read()
            if bgr is not None:
                read, bad_in_a_row = read + 1, 0
                yield bgr
            elif read + bad >= count:  # the end, as far as the file knows it
                break
            else:
                bad, bad_in_a_row = bad + 1, bad_in_a_row + 1
                if on_skip:
                    hint = "convert the video again if this happens often"
                    on_skip(ImageError(f"{name}: a frame after frame {read} cannot be decoded", hint=hint))
    finally:
        grabber.release()
    if read == 0:
        raise ImageError(f"{name} has no readable frame", hint="play it in a video player; convert it to mp4")


def live_frames(
    open_grabber: Callable[[], Grabber],
    name: str,
    on_skip: Callable[[ImageError], None] | None,
    *,
    timeout_s: float = REOPEN_TIMEOUT_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Bgr]:
    """Yield the frames of a camera or stream for ever; one that stops is opened again.

    Args:
        open_grabber: Opens the source.
        name: Of the source, for messages.
        on_skip: Gets an error whenever the source stops.
        timeout_s: Seconds without a frame after which the source is given up.
        sleep: Waits that many seconds.
        clock: Seconds, monotonic.

    Raises:
        ImageError: It gives no frame for `timeout_s` seconds.
    """
    grabber: Grabber | None = open_grabber()  # a source that was never there is an error at once
    read, last = 0, clock()
    try:
        while True:
            bgr = grabber.read() if grabber else None
            if bgr is not None:
                read, last = read + 1, clock()
                yield bgr
                continue
            if on_skip and grabber:
                on_skip(ImageError(f"{name}: no frame after frame {read}", hint="it is opened again"))
            if clock() - last > timeout_s:
                raise ImageError(
                    f"{name} has given no frame for {timeout_s:.0f} s, after {read} frames",
                    hint="check cable, power and network, then start again",
                )
            grabber = _reopened(grabber, open_grabber, sleep)
    finally:
        if grabber:
            grabber.release()


def _reopened(
    grabber: Grabber | None, open_grabber: Callable[[], Grabber], sleep: Callable[[float], None]
) -> Grabber | None:
    if grabber:
        grabber.release()
    sleep(REOPEN_S)
    try:
        return open_grabber()
    except ImageError:
        return None

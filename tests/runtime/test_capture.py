from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from edgekit.errors import DeviceError, ImageError
from edgekit.ops.yuv import bgr_to_nv12
from edgekit.runtime.capture import BAD_FRAMES, MipiGrabber, live_frames, video_frames


class Script:
    """A grabber that gives what its script says: numbers are frames, None is nothing."""

    def __init__(self, *script: int | None) -> None:
        self.script: Iterator[int | None] = iter(script)
        self.released = 0

    def read(self) -> np.ndarray | None:
        value = next(self.script, None)
        return None if value is None else np.full((2, 2, 3), value, np.uint8)

    def release(self) -> None:
        self.released += 1


def values(frames: Iterator[np.ndarray]) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def test_an_unreadable_frame_in_the_middle_is_skipped_and_counted() -> None:
    skipped: list[ImageError] = []
    grabber = Script(1, None, 2, 3)
    assert values(video_frames(grabber, "v.mp4", 4, skipped.append)) == [1, 2, 3]
    assert [e.message for e in skipped] == ["v.mp4: a frame after frame 1 cannot be decoded"]
    assert grabber.released == 1


def test_the_end_of_a_file_is_no_error() -> None:
    skipped: list[ImageError] = []
    assert values(video_frames(Script(1, 2), "v.mp4", 2, skipped.append)) == [1, 2]
    assert skipped == []


def test_a_rest_that_cannot_be_decoded_is_given_up() -> None:
    skipped: list[ImageError] = []
    assert values(video_frames(Script(1), "v.mp4", 1000, skipped.append)) == [1]
    assert len(skipped) == BAD_FRAMES


def test_a_file_without_any_frame() -> None:
    with pytest.raises(ImageError, match="no readable frame"):
        list(video_frames(Script(), "v.mp4", 0, None))


def clock_of(times: list[float]) -> SimpleNamespace:
    """A clock that moves only by sleeping."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        times.append(now[0])

    return SimpleNamespace(sleep=sleep, clock=lambda: now[0])


def test_a_camera_that_comes_back_goes_on() -> None:
    grabbers = iter([Script(1, 2), Script(), Script(3, 4)])
    time = clock_of([])
    skipped: list[ImageError] = []
    frames = live_frames(lambda: next(grabbers), "camera 0", skipped.append, sleep=time.sleep, clock=time.clock)
    assert values(islice(frames, 4)) == [1, 2, 3, 4]
    assert len(skipped) == 2


def test_a_camera_that_stays_away_is_given_up_and_says_after_how_many_frames() -> None:
    first = Script(1)

    def reopen() -> Iterator[Script]:
        yield first
        while True:
            raise ImageError("gone", hint="")

    attempts = reopen()
    slept: list[float] = []
    time = clock_of(slept)

    def open_grabber() -> Script:
        try:
            return next(attempts)
        except StopIteration:
            raise ImageError("gone", hint="") from None

    with pytest.raises(ImageError, match="no frame for 10 s, after 1 frames"):
        list(live_frames(open_grabber, "camera 0", None, sleep=time.sleep, clock=time.clock))
    assert 10 <= slept[-1] <= 12
    assert first.released == 1


def test_a_camera_that_was_never_there_is_an_error_at_once() -> None:
    def absent() -> Script:
        raise ImageError("camera 9 cannot be opened", hint="")

    with pytest.raises(ImageError, match="camera 9"):
        next(live_frames(absent, "camera 9", None))


def test_the_board_s_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((1080, 1920, 3), (40, 90, 160), np.uint8)
    frame = bgr_to_nv12(image, color_range="studio").tobytes()
    camera = SimpleNamespace(open_cam=lambda *a: 0, get_img=lambda kind, w, h: frame, close_cam=lambda: None)
    module = ModuleType("hobot_vio.libsrcampy")
    module.Camera = lambda: camera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hobot_vio", ModuleType("hobot_vio"))
    monkeypatch.setitem(sys.modules, "hobot_vio.libsrcampy", module)
    bgr = MipiGrabber().read()
    assert bgr is not None
    assert np.abs(bgr.astype(int) - image).max() <= 4
    camera.get_img = lambda kind, w, h: None
    assert MipiGrabber().read() is None
    camera.open_cam = lambda *a: -1
    with pytest.raises(ImageError, match="MIPI camera 0 cannot be opened"):
        MipiGrabber()


def test_no_camera_library_here() -> None:
    with pytest.raises(DeviceError, match="hobot_vio"):
        MipiGrabber()

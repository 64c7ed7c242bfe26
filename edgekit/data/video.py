"""Frames of a video: which ones spread evenly over its length, and reading just those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import ImageError
from edgekit.runtime.capture import check_video_name

SEEK_GAP = 600  # a jump farther than this is cheaper as a seek than by decoding what lies between


def spread_frames(path: Path, count: int) -> tuple[int, ...]:
    """`count` frame numbers, each in the middle of an equal part of the video; all of a shorter one."""
    total = _frame_count(path)
    if total < 1:
        raise ImageError(f"{path} has no frames that can be decoded", hint="convert it, e.g. to H.264 in .mp4")
    count = min(count, total)
    return tuple(int((i + 0.5) * total / count) for i in range(count))


def read_frames(path: Path, numbers: Sequence[int]) -> Iterator[npt.NDArray[np.uint8] | ImageError]:
    """The frames (h, w, 3) uint8 BGR with these ascending numbers; an ImageError in place of a broken one."""
    with _opened(path) as capture:
        position = 0
        for number in numbers:
            if number - position > SEEK_GAP:
                capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            else:
                for _ in range(number - position):
                    capture.grab()
            good, frame = capture.read()
            position = number + 1
            if good and frame is not None:
                yield np.asarray(frame, np.uint8)
            else:
                yield ImageError(f"{path}: frame {number} cannot be decoded", hint="convert the video again")


def _frame_count(path: Path) -> int:
    """What the container says, or, where it says nothing, as many as decode."""
    with _opened(path) as capture:
        reported = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if 0 < reported < 1 << 31:
            return reported
        count = 0
        while capture.grab():
            count += 1
        return count


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    if path.stat().st_size == 0:
        raise ImageError(f"{path} is empty, expected a video", hint="copy the file again")
    check_video_name(str(path))
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise ImageError(f"{path} cannot be opened as a video", hint="convert it, e.g. to H.264 in .mp4")
        yield capture
    finally:
        capture.release()

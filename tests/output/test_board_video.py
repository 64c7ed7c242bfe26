"""The board's H.264 encoder: its documented API as a stand-in that encodes by the ffmpeg of this computer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgekit.cli.run_delivery import chosen_encoder
from edgekit.errors import DeviceError, OutputError
from edgekit.output.board_video import BoardEncoder, find_board_encoder

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")


class Encoder:
    """`hobot_vio.libsrcampy.Encoder` as documented; every frame becomes a stream of its own."""

    opened: ClassVar[list[Encoder]] = []
    refuses = ""

    def encode(self, channel: int, kind: int, width: int, height: int, bits: int = 8000) -> int:
        self.call = (channel, kind, width, height, bits)
        self.frames: list[bytes] = []
        self.closed = 0
        Encoder.opened.append(self)
        return -1 if Encoder.refuses == "encode" else 0

    def encode_file(self, nv12: bytes) -> int:
        self.frames.append(nv12)
        return -1 if Encoder.refuses == "encode_file" else 0

    def get_img(self) -> bytes | None:
        if len(self.frames) == 1:
            return None  # a frame late
        _, _, width, height, _ = self.call
        command = f"ffmpeg -loglevel error -f rawvideo -pix_fmt nv12 -s {width}x{height} -i - -c:v libx264 -f h264 -"
        return subprocess.run(command.split(), input=self.frames[-1], capture_output=True, check=True).stdout

    def close(self) -> int:
        self.closed += 1
        return 0


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> type[Encoder]:
    library: Any = ModuleType("hobot_vio.libsrcampy")
    library.Encoder = Encoder
    monkeypatch.setitem(sys.modules, "hobot_vio", ModuleType("hobot_vio"))
    monkeypatch.setitem(sys.modules, "hobot_vio.libsrcampy", library)
    monkeypatch.setattr(Encoder, "opened", [])
    monkeypatch.setattr(Encoder, "refuses", "")
    return Encoder


def frame(height: int, width: int) -> npt.NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (40, 200, 90)
    return image


@needs_ffmpeg
def test_frames_become_a_video_that_plays(board: type[Encoder], tmp_path: Path) -> None:
    encoder, path = chosen_encoder("board"), tmp_path / "video.mp4"
    assert isinstance(encoder, BoardEncoder)
    image = frame(47, 63)
    with encoder.writer(path, fps=10, size_wh=(63, 47)) as append:
        for _ in range(4):
            append(image)
        assert not path.exists()
    (opened,) = board.opened
    assert opened.call == (0, 1, 64, 48, 8000) and opened.closed == 1
    assert [len(data) for data in opened.frames] == [64 * 48 * 3 // 2] * 4
    video = cv2.VideoCapture(str(path))
    shown = [video.read()[1] for _ in range(3)]
    assert [f.shape for f in shown] == [(48, 64, 3)] * 3
    assert np.abs(shown[2][8:40, 4:28].astype(int) - (40, 200, 90)).mean() < 8
    assert shown[2][:, 40:60].mean() < 8


@needs_ffmpeg
def test_videos_at_once_have_channels_of_their_own(board: type[Encoder], tmp_path: Path) -> None:
    encoder = find_board_encoder()
    for _ in range(2):
        with (
            encoder.writer(tmp_path / "a.mp4", fps=5, size_wh=(64, 48)) as first,
            encoder.writer(tmp_path / "b.mp4", fps=5, size_wh=(64, 48)) as second,
        ):
            for append in (first, second):
                append(frame(48, 64))
                append(frame(48, 64))
    assert [opened.call[0] for opened in board.opened] == [0, 1, 0, 1]


@needs_ffmpeg
@pytest.mark.parametrize("refuses", ["encode", "encode_file"])
def test_a_refusal_is_two_lines_and_leaves_nothing(board: type[Encoder], tmp_path: Path, refuses: str) -> None:
    board.refuses = refuses
    with (
        pytest.raises(DeviceError, match="board's encoder (cannot be opened for 64x48|refuses a frame)"),
        find_board_encoder().writer(tmp_path / "video.mp4", fps=5, size_wh=(64, 48)) as append,
    ):
        append(frame(48, 64))
    assert list(tmp_path.iterdir()) == []
    assert [opened.closed for opened in board.opened] == [0 if refuses == "encode" else 1]


@needs_ffmpeg
def test_frames_that_are_too_large_are_refused(board: type[Encoder], tmp_path: Path) -> None:
    with (
        pytest.raises(DeviceError, match="frames are 5000x48, expected at most 4096 a side"),
        find_board_encoder().writer(tmp_path / "video.mp4", fps=5, size_wh=(5000, 48)),
    ):
        raise AssertionError("opened")
    assert board.opened == []


def test_elsewhere_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hobot_vio", None)
    monkeypatch.setitem(sys.modules, "hobot_vio.libsrcampy", None)
    with pytest.raises(DeviceError, match="no video encoder of a board here"):
        chosen_encoder("board")


def test_without_ffmpeg_it_is_refused(board: type[Encoder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OutputError, match="needs ffmpeg to write .mp4"):
        find_board_encoder()

"""H.264 by ffmpeg: its command line against a stand-in, and the real one where it is installed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import OutputError
from edgekit.output.h264 import H264Encoder, find_h264, h264_writer

STAND_IN = """#!{python}
import json, sys
if "-encoders" in sys.argv:
    print(" V....D mpeg4   MPEG-4\\n V....D {encoder}  H.264")
    sys.exit()
if {fails}:
    sys.stderr.write("Conversion failed!\\n")
    sys.exit(1)
data = sys.stdin.buffer.read()
json.dump([sys.argv[1:], len(data)], open(sys.argv[-1].removeprefix("file:"), "w"))
"""


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    find_h264.cache_clear()
    yield
    find_h264.cache_clear()


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, *, encoder: str = "libx264", fails: bool = False) -> None:
    path = folder / "bin" / "ffmpeg"
    path.parent.mkdir()
    path.write_text(STAND_IN.format(python=sys.executable, encoder=encoder, fails=fails))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))


def test_what_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    encoder, path = find_h264(), tmp_path / "video.mp4"
    assert encoder is not None and encoder.name == "libx264"
    with h264_writer(path, fps=12.5, size_wh=(31, 20), encoder=encoder) as append:
        for _ in range(3):
            append(np.zeros((20, 31, 3), np.uint8)[:, ::-1])
        assert not path.exists()
    arguments, size = json.loads(path.read_text())
    assert size == 3 * 20 * 31 * 3
    joined = " ".join(arguments)
    assert "-pix_fmt bgr24 -s 31x20 -r 12.5 -i -" in joined
    assert "-c:v libx264" in joined and "-pix_fmt yuv420p" in joined
    assert list(tmp_path.glob(".*")) == []


def test_encoders_of_boards_and_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, encoder="h264_v4l2m2m")
    found = find_h264()
    assert found is not None and found.name == "h264_v4l2m2m"
    (tmp_path / "none").mkdir()
    stand_in(tmp_path / "none", monkeypatch, encoder="libvpx")
    find_h264.cache_clear()
    assert find_h264() is None
    monkeypatch.setenv("PATH", "")
    find_h264.cache_clear()
    assert find_h264() is None


def test_a_failing_ffmpeg_is_two_lines_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, fails=True)
    encoder, path = find_h264(), tmp_path / "video.mp4"
    assert encoder is not None
    frame = np.zeros((400, 600, 3), np.uint8)  # more than a pipe holds
    with (
        pytest.raises(OutputError, match="cannot be encoded by ffmpeg .Conversion failed!."),
        h264_writer(path, fps=25, size_wh=(600, 400), encoder=encoder) as append,
    ):
        for _ in range(3):
            append(frame)
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]
    with (
        pytest.raises(OutputError, match="cannot be started"),
        h264_writer(path, fps=25, size_wh=(6, 4), encoder=H264Encoder("/none/ffmpeg", "libx264")),
    ):
        pass


def test_a_run_that_breaks_off_leaves_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    encoder = find_h264()
    assert encoder is not None
    with (
        pytest.raises(KeyboardInterrupt),
        h264_writer(tmp_path / "video.mp4", fps=25, size_wh=(6, 4), encoder=encoder) as append,
    ):
        append(np.zeros((4, 6, 3), np.uint8))
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]


def test_the_real_ffmpeg(tmp_path: Path) -> None:
    encoder = find_h264()
    if encoder is None:
        pytest.skip("no ffmpeg with an H.264 encoder here" + (f" (PATH {os.environ.get('PATH')})"))
    path = tmp_path / "video.mp4"
    with h264_writer(path, fps=10, size_wh=(161, 90), encoder=encoder) as append:
        for value in (20, 120, 220):
            append(np.full((90, 161, 3), value, np.uint8))
    capture = cv2.VideoCapture(str(path))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    assert code in (b"avc1", b"h264", b"H264")
    means = [float(capture.read()[1][:90, :160].mean()) for _ in range(3)]
    assert np.abs(np.array(means) - (20, 120, 220)).max() < 6

"""Codecs, times on images and messages of `edgekit run`, as a user types it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.output.h264 import find_h264
from edgekit.output.writer import video_writer
from tests.output.test_webhook import Receiver
from tests.tiny_yolo import save_tiny_yolo


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("model") / "tiny.onnx", task="detect")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "in.mp4"
    rng = np.random.default_rng(1)
    with video_writer(path, fps=8, size_wh=(96, 64)) as append:
        for _ in range(3):
            append(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    return path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run(model: Path, video: Path, out: Path, *more: str) -> int:
    return main(["run", "--model", str(model), "--source", str(video), "-o", str(out), *more])


def test_rows_and_events_are_sent(
    model: Path, video: Path, tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, video, tmp_path / "rows", "--webhook", receiver.url) == 0
    rows = [json.loads(line) for line in (tmp_path / "rows" / "results.jsonl").read_text().splitlines()][1:]
    sent = [json.loads(body) for _, body in receiver.bodies]
    assert [{k: v for k, v in m.items() if k not in ("time", "frame")} for m in sent] == rows
    assert [m["frame"] for m in sent] == ["frame 0", "frame 1", "frame 2"]
    assert "webhook: 3 messages sent, 0 lost" in capsys.readouterr().out
    del receiver.bodies[:]
    zone = ("--track", "--zone", "all=-99,-99,999,-99,999,999,-99,999")
    assert run(model, video, tmp_path / "events", "--webhook", receiver.url, *zone) == 0
    rows = [json.loads(line) for line in (tmp_path / "events" / "results.jsonl").read_text().splitlines()][1:]
    events = [event for row in rows for event in row["events"]]
    assert [json.loads(body)["track_id"] for _, body in receiver.bodies] == [e["track_id"] for e in events]
    assert events


def test_times_on_images(model: Path, video: Path, tmp_path: Path) -> None:
    images = []
    for name, more in (("plain", ()), ("times", ("--draw-times",))):
        assert run(model, video, tmp_path / name, "--conf", "0.9", "--codec", "mp4v", *more) == 0
        images.append(cv2.VideoCapture(str(tmp_path / name / "video.mp4")).read()[1].astype(int))
    difference = np.abs(images[1] - images[0]).max(axis=2)
    assert difference[:20, :50].max() > 60
    assert difference[50:, 60:].max() < 30  # what the codec makes of it


def test_without_ffmpeg_the_codec_is_said(
    model: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    find_h264.cache_clear()
    assert run(model, video, tmp_path / "auto") == 0
    assert "no ffmpeg with an H.264 encoder here, so videos are mp4v" in capsys.readouterr().err
    assert run(model, video, tmp_path / "named", "--codec", "mp4v") == 0
    assert "ffmpeg" not in capsys.readouterr().err
    assert run(model, video, tmp_path / "h264", "--codec", "h264") == 2
    assert "--codec h264 needs ffmpeg" in capsys.readouterr().err
    find_h264.cache_clear()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mqtt", "broker"], "the MQTT address is not understood"),
        (["--webhook", "ftp://x"], "webhook 'ftp://x' is no address"),
        (["--publish", "results"], "--publish says what is sent, and nobody gets it"),
        (["--publish", "events", "--webhook", "http://x/"], "--publish events needs lines or zones"),
    ],
)
def test_mistakes(
    model: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(model, video, tmp_path / "out", *options) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"] and message in lines[0]
    assert not (tmp_path / "out").exists()

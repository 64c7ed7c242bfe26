"""`edgekit run --track` on a tiny model, as a user types it: numbers, counts, and runs that are killed and resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.cli import run_tracking
from edgekit.cli.main import main
from edgekit.output.journal import journal_name
from edgekit.output.writer import video_writer
from edgekit.runtime import sources
from edgekit.tracking.tracker import Tracker
from tests.tiny_yolo import save_tiny_yolo

FRAMES = 14
SHAPES = ("--line", "middle=50%,0%,50%,100%", "--zone", "all=0,0,96,0,96,64,0,64")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_yolo(tmp_path_factory.mktemp("model") / "tiny.onnx", task="segment")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One texture that moves to the right, 3 pixels a frame."""
    path = tmp_path_factory.mktemp("video") / "in.mp4"
    rng = np.random.default_rng(1)
    scene = cv2.resize(rng.integers(0, 255, (16, 60, 3), dtype=np.uint8), (240, 64), interpolation=cv2.INTER_CUBIC)
    with video_writer(path, fps=8, size_wh=(96, 64)) as append:
        for index in range(FRAMES):
            append(np.ascontiguousarray(scene[:, 100 - 3 * index : 196 - 3 * index]))
    return path


def arguments(model: Path, source: Path | str, out: Path, *more: str) -> list[str]:
    return ["run", "--model", str(model), "--source", str(source), "-o", str(out), "--conf", "0.3", "--track", *more]


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row.pop("times_ms", None)
    return rows


def test_numbers_counts_and_a_drawn_video(
    model: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(arguments(model, video, out, *SHAPES)) == 0
    header, *rows = rows_of(out / "results.jsonl")
    assert len(rows) == FRAMES
    ids = [item["track_id"] for row in rows for item in row["objects"]]
    assert len({i for i in ids if i}) < len(ids) / 4  # numbers stay with their objects
    entered = sum(e["direction"] == "enter" for row in rows for e in row["events"])
    totals = json.loads((out / "counts.json").read_text())["counts"]
    assert sum(directions.get("enter", 0) for directions in totals["all"].values()) == entered > 0
    assert sorted(p.name for p in out.iterdir()) == ["counts.json", "results.jsonl", "video.mp4"]
    assert "tracks" in capsys.readouterr().out
    assert all("segmentation" in item for row in rows for item in row["objects"])
    assert header["task"] == "segment"


def broken_off_at(monkeypatch: pytest.MonkeyPatch, frame: int) -> None:
    """As killed between two frames: nothing that the process would tidy up is tidied up by it."""
    update = Tracker.update

    def break_off(self: Tracker, results: Any, bgr: Any, number: int | None = None) -> Any:
        if number == frame:
            raise KeyboardInterrupt
        return update(self, results, bgr, number)

    monkeypatch.setattr(Tracker, "update", break_off)


@pytest.fixture(scope="module")
def straight(model: Path, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody breaks off."""
    out = tmp_path_factory.mktemp("straight") / "out"
    assert main(arguments(model, video, out, *SHAPES, "--camera-motion")) == 0
    return out


@pytest.mark.parametrize("frame", [1, 9])
def test_a_killed_video_run_goes_on_with_the_same_numbers(
    model: Path, video: Path, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: int
) -> None:
    monkeypatch.setattr(run_tracking, "CHECKPOINT_S", 0)
    out = tmp_path / "broken"
    with monkeypatch.context() as broken:
        broken_off_at(broken, frame)
        assert main(arguments(model, video, out, *SHAPES, "--camera-motion")) == 130
    with (out / journal_name("results.jsonl")).open("a") as journal:
        journal.write('{"half of a row')  # written after the last checkpoint
    assert main(arguments(model, video, out, *SHAPES, "--camera-motion", "--resume")) == 0
    assert sorted(p.name for p in out.iterdir()) == ["counts.json", "results.jsonl", "video.mp4"]
    assert rows_of(out / "results.jsonl") == rows_of(straight / "results.jsonl")
    assert (out / "counts.json").read_bytes() == (straight / "counts.json").read_bytes()


def live_source(monkeypatch: pytest.MonkeyPatch, video: Path) -> None:
    """A camera that gives the video's frames once."""
    images = []
    capture = cv2.VideoCapture(str(video))
    while (image := capture.read()[1]) is not None:
        images.append(np.asarray(image, np.uint8))

    def frames() -> Iterator[sources.Frame]:
        yield from (sources.Frame(image, f"frame {index}") for index, image in enumerate(images))

    camera = sources.Source("camera", 0, 8.0, frames, live=True)
    monkeypatch.setattr(sources, "open_source", lambda source, on_skip=None: camera)


def test_a_camera_goes_on_counting_after_a_pause(
    model: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_source(monkeypatch, video)
    out, zone = tmp_path / "out", ("--zone", "all=0,0,96,0,96,64,0,64")
    assert main(arguments(model, "0", out, *zone)) == 0
    first = rows_of(out / "results.jsonl")[1:]
    assert main(arguments(model, "0", out, *zone, "--resume")) == 0
    later = rows_of(out / "results-2.jsonl")[1:]
    assert (out / "video.mp4").exists() and (out / "video-2.mp4").exists()
    before, after = ({o["track_id"] for r in rows for o in r["objects"]} - {None} for rows in (first, later))
    assert before and after and max(before) < min(after)
    state = json.loads((out / run_tracking.STATE_NAME).read_text())
    entered = sum(e["direction"] == "enter" for row in (*first, *later) for e in row["events"])
    totals = state["tracking"]["counts"]["totals"]["all"]
    assert sum(directions["enter"] for directions in totals.values()) == entered


class Killed(BaseException):
    """Nothing catches it."""


def test_a_killed_camera_run_goes_on_with_its_rows(
    model: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_source(monkeypatch, video)
    monkeypatch.setattr(run_tracking, "CHECKPOINT_S", 0)
    out, frames = tmp_path / "out", iter(range(FRAMES))

    def kill(self: run_tracking.RunTracking, image: np.ndarray) -> None:
        if next(frames) == 2:
            raise Killed

    with monkeypatch.context() as killed, pytest.raises(Killed):
        killed.setattr(run_tracking.RunTracking, "draw", kill)
        main(arguments(model, "0", out, *SHAPES))
    assert main(arguments(model, "0", out, *SHAPES, "--resume")) == 0
    _, *rows = rows_of(out / "results.jsonl")
    ids = [{item["track_id"] for item in row["objects"]} - {None} for row in rows]
    assert len(rows) > 2 and rows[2]["source"] <= rows[1]["source"]  # two of before, then the camera's first again
    assert max(ids[0] | ids[1]) < min(set().union(*ids[2:]))


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(list(args)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    return lines[0]


def test_mistakes_are_two_lines(model: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    plain = [a for a in arguments(model, video, out) if a != "--track"]
    assert "--line needs tracks" in refused(capsys, *plain, "--line", "a=0,0,1,1")
    tracked = arguments(model, video, out)
    assert "expected NAME=X1,Y1,X2,Y2" in refused(capsys, *tracked, "--line", "0,0,1,1")
    assert "are called 'a'" in refused(capsys, *tracked, "--line", "a=0,0,1,1", "--zone", "a=0,0,1,1,0,1")
    assert "low_score is 7.0" in refused(capsys, *tracked, "--track-low", "7")
    assert "holds no run_state.json" in refused(capsys, *tracked, "--resume")
    out.mkdir()
    (out / "run_state.json").write_text('{"schema": "edgekit.run-state/1", "source": "other.mp4"}')
    assert "is of source 'other.mp4'" in refused(capsys, *tracked, "--resume")
    (out / "run_state.json").write_text("[]")
    assert "expected edgekit.run-state/1" in refused(capsys, *tracked, "--resume")
    classifier = save_tiny_yolo(tmp_path / "classify.onnx", task="classify")
    assert "this one's task is 'classify'" in refused(capsys, *arguments(classifier, video, out))

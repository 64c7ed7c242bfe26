"""`edgekit run --config`: several models on several sources, as a user writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from edgekit.cli.main import main
from edgekit.output.writer import video_writer
from edgekit.robot.robot import Robot
from tests.tiny_yolo import save_tiny_yolo
from tests.typed import required


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, two videos and two images."""
    folder = tmp_path_factory.mktemp("robot")
    save_tiny_yolo(folder / "objects.onnx", task="segment")
    save_tiny_yolo(folder / "kinds.onnx", task="classify")
    rng = np.random.default_rng(1)
    for name, count in (("a.mp4", 6), ("b.mp4", 4)):
        with video_writer(folder / name, fps=8, size_wh=(96, 64)) as append:
            for _ in range(count):
                append(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    (folder / "images").mkdir()
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(folder / "images" / name), rng.integers(0, 255, (50, 70, 3), dtype=np.uint8))
    return folder


CONFIG: dict[str, Any] = {
    "models": {"objects": {"path": "objects.onnx", "conf": 0.3, "priority": 3}, "kinds": "kinds.onnx"},
    "sources": {"a": "a.mp4", "b": "b.mp4", "still": "images"},
    "tasks": [
        {"model": "objects", "source": ["a", "b"], "zones": "all=-99,-99,999,-99,999,999,-99,999"},
        {"model": "kinds", "source": "a", "crops_of": "objects", "every": 2, "max_crops": 3},
        {"model": "kinds", "source": "still"},
    ],
}


def write(folder: Path, config: Any, name: str = "robot.yaml") -> Path:
    path = folder / name
    path.write_text(json.dumps(config) if name.endswith(".json") else yaml.safe_dump(config))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["robot.yaml", "robot.json"])
def test_a_folder_per_source(folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["run", "--config", str(write(folder, CONFIG, name)), "-o", str(out), "--codec", "mp4v"]) == 0
    header, *rows = rows_of(out / "a" / "results.jsonl")
    assert header["models"]["kinds"] == {
        "model": "kinds.onnx",
        "task": "classify",
        "device": "onnxruntime",
        "conf": 0.25,
        "iou": 0.7,
    }
    assert [row["number"] for row in rows] == list(range(6))
    for row in rows:
        objects = row["models"]["objects"]["objects"]
        assert all("segmentation" in item and "track_id" in item for item in objects)
        if row["number"] % 2:
            assert "kinds" not in row["models"]
        else:
            parts = row["models"]["kinds"]["crops"]
            assert 0 < len(parts) <= 3 and all(part["classes"] for part in parts)
    assert any(row["events"] for row in rows)
    assert len(rows_of(out / "b" / "results.jsonl")) == 5
    assert cv2.VideoCapture(str(out / "b" / "video.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert required(cv2.imread(str(out / "still" / "1.png"))).shape == (50, 70, 3)
    said = capsys.readouterr()
    assert "a: 6 frames" in said.out and "objects on a: 6 inferences" in said.out
    assert "objects: this device knows no priority" in said.err
    assert sorted(p.name for p in out.iterdir()) == ["a", "b", "still"]


def test_a_report_as_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {**CONFIG, "output": {"images": False, "masks": "none", "folder": str(tmp_path / "named")}}
    assert main(["run", "--config", str(write(folder, config)), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sources"]["b"] == {"read": 4, "done": 4, "dropped": 0, "failed": 0, "deaths": 0, "failure": None}
    assert report["tasks"]["kinds on still"]["inferences"] == 2
    assert [p.name for p in (tmp_path / "named" / "b").iterdir()] == ["results.jsonl"]


def test_a_source_that_is_not_there_takes_nobody_with_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.mp4").write_bytes(b"junk")
    for number, (source, note) in enumerate(
        (("broken.mp4", "source b cannot be opened and is left out"), ("gone.mp4", "source b has ended: "))
    ):
        config, out = {**CONFIG, "sources": {**CONFIG["sources"], "b": source}}, tmp_path / str(number)
        assert main(["run", "--config", str(write(folder, config)), "-o", str(out)]) == 0
        assert note in capsys.readouterr().err
        assert len(rows_of(out / "a" / "results.jsonl")) == 7
    nothing = {**config, "sources": {"a": "x.mp4", "b": "y.mp4", "still": "z"}}
    assert "cannot be read" in refused(capsys, write(folder, nothing), tmp_path / "none")


def test_ctrl_c_breaks_off_files_and_leaves_their_rows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Robot.run

    def interrupted(self: Robot, sources: Any) -> Any:
        run(self, sources)
        raise KeyboardInterrupt

    monkeypatch.setattr(Robot, "run", interrupted)
    out = tmp_path / "out"
    assert main(["run", "--config", str(write(folder, CONFIG)), "-o", str(out)]) == 130
    assert not (out / "a" / "results.jsonl").exists()
    assert len(rows_of(out / "a" / ".results.jsonl.journal")) == 7


def refused(capsys: pytest.CaptureFixture[str], config: Path, out: Path, *more: str) -> str:
    assert main(["run", "--config", str(config), "-o", str(out), *more]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    return lines[0]


def test_mistakes_are_two_lines(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    twice = folder / "twice.yaml"
    twice.write_text("models:\n  m: objects.onnx\n  m: kinds.onnx\n")
    assert "key 'm' appears twice" in refused(capsys, twice, out)
    assert "unknown key 'modles'" in refused(capsys, write(folder, {**CONFIG, "modles": {}}), out)
    cameras = {**CONFIG, "sources": {"a": 0, "b": "0", "still": "images"}}
    assert "sources a and b are both camera '0'" in refused(capsys, write(folder, cameras), out)
    assert "--model or --source is given, too" in refused(capsys, write(folder, CONFIG), out, "--source", "0")
    assert "does not exist" in refused(capsys, folder / "none.yaml", out)
    classifier = {**CONFIG, "tasks": [{"model": "kinds", "track": True}, {"model": "objects"}]}
    assert "'kinds' is tracked, which has no boxes" in refused(capsys, write(folder, classifier), out)
    assert not out.exists()


def test_a_board_without_a_reader_of_yaml(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "edgekit.data.plain_yaml", None)
    assert "is yaml, and what reads it is not installed" in refused(capsys, write(folder, CONFIG), tmp_path / "out")


def test_a_run_without_model_or_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert "--model and --source is missing" in capsys.readouterr().err

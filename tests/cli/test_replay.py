"""`edgekit run --record` and `edgekit replay`: what ran there is decoded here, bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.cli.main import main
from edgekit.output.writer import video_writer
from tests.tiny_yolo import save_tiny_yolo

FRAMES = 4


@pytest.fixture(scope="module", params=["segment", "pose"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.onnx, in.mp4, and the run out/ with its record/."""
    folder = tmp_path_factory.mktemp("recorded")
    save_tiny_yolo(folder / "model.onnx", task=request.param)
    rng = np.random.default_rng(1)
    with video_writer(folder / "in.mp4", fps=8, size_wh=(96, 64)) as append:
        for _ in range(FRAMES):
            append(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8))
    (folder / "names.txt").write_text("cat\ndog\nowl\n")
    args = ["run", "--model", str(folder / "model.onnx"), "--source", str(folder / "in.mp4"), "-o", str(folder / "out")]
    assert main([*args, "--record", "--conf", "0.4", "--names", str(folder / "names.txt"), "--codec", "mp4v"]) == 0
    return folder


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()][1:]
    return [{k: v for k, v in row.items() if k not in ("times_ms", "number")} for row in rows]


def test_results_are_the_same_without_the_model(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    assert main(["replay", str(recorded / "out" / "record"), "-o", str(out)]) == 0
    assert rows_of(out) == rows_of(recorded / "out" / "results.jsonl")
    assert any(row["objects"] for row in rows_of(out))
    assert f"{FRAMES} of {FRAMES} are what the device got" in capsys.readouterr().out


def test_heads_are_computed_again_and_compared(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["replay", str(recorded / "out" / "record"), "--model", str(recorded / "model.onnx"), "--json"]
    assert main(args) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["equal"], report["equal_heads"], report["here"]) == (True, FRAMES, "onnxruntime")


def changed(recorded: Path, folder: Path, **arrays: Any) -> Path:
    """A copy of the recording with arrays of its first frame replaced."""
    shutil.copytree(recorded / "out" / "record", folder)
    path = folder / "00000000.npz"
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **{**kept, **arrays})
    return folder


def test_the_last_bit_is_noticed(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(recorded / "out" / "record" / "00000000.npz") as stored:
        name = next(key for key in stored.files if key.startswith("head:"))
        head, bgr = stored[name].copy(), stored["bgr"].copy()
    head.reshape(-1).view(np.int32)[7] ^= 1
    args = ["--model", str(recorded / "model.onnx")]
    assert main(["replay", str(changed(recorded, tmp_path / "head", **{name: head})), *args]) == 1
    said = capsys.readouterr().out
    assert f"{FRAMES - 1} of {FRAMES} frames are equal" in said
    assert f"{name.removeprefix('head:')}: 1 numbers differ" in said
    bgr[0, 0, 0] ^= 1
    assert main(["replay", str(changed(recorded, tmp_path / "image", bgr=bgr))]) in (0, 1)  # a resize may hide a bit
    bgr ^= 64
    assert main(["replay", str(changed(recorded, tmp_path / "images", bgr=bgr))]) == 1


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["replay", *args]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    return lines[0]


def test_what_is_no_recording(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in refused(capsys, str(tmp_path))
    (tmp_path / "record.json").write_text("[]")
    assert "expected edgekit.record/1" in refused(capsys, str(tmp_path))
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(recorded / "out" / "record" / "record.json", empty)
    assert "holds no recorded frame" in refused(capsys, str(empty))
    for name, arrays in (
        ("bgr", {"bgr": np.zeros((3, 4), np.uint8)}),
        ("kind", {"bgr": np.zeros((3, 4, 3), np.float32)}),
        ("name", {"name": np.zeros(3)}),
        ("object", {"name": np.array({}, dtype=object)}),
    ):
        assert "00000000.npz" in refused(capsys, str(changed(recorded, tmp_path / name, **arrays)))
    for name, damage in (("cut", lambda data: data[: len(data) // 2]), ("junk", lambda data: b"junk" * 9)):
        folder = changed(recorded, tmp_path / name)
        path = folder / "00000000.npz"
        path.write_bytes(damage(path.read_bytes()))
        assert "cannot be read as arrays" in refused(capsys, str(folder))
    missing = changed(recorded, tmp_path / "missing")
    with np.load(missing / "00000000.npz") as stored:
        kept = {key: stored[key] for key in stored.files if not key.startswith("head:")}
    np.savez(missing / "00000000.npz", **kept)
    refused(capsys, str(missing))
    header = json.loads((empty / "record.json").read_text())
    for field, value in (("options", {"score_threshold": 7}), ("spec", {}), ("device", 3), ("options", {"x": 1})):
        folder = changed(
            recorded, tmp_path / f"{field}{value!s:.12}".replace("'", "").replace("{", "").replace(":", "")
        )
        (folder / "record.json").write_text(json.dumps({**header, field: value}))
        assert "record.json" in refused(capsys, str(folder)) or field == "options"


def test_another_model_is_refused(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny_yolo(tmp_path / "obb.onnx", task="obb")
    message = refused(capsys, str(recorded / "out" / "record"), "--model", str(tmp_path / "obb.onnx"))
    assert "have not the names and shapes of those that were recorded" in message


def test_a_recording_ends_where_it_is_too_large(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgekit.runtime import recording

    monkeypatch.setattr(recording.Recorder.__init__, "__kwdefaults__", {"max_bytes": 1, "on_note": print})
    args = ["run", "--model", str(recorded / "model.onnx"), "--source", str(recorded / "in.mp4"), "--record"]
    assert main([*args, "-o", str(tmp_path / "out"), "--no-images"]) == 0
    assert sorted(p.name for p in (tmp_path / "out" / "record").iterdir()) == ["00000000.npz", "record.json"]
    assert "after 1 frames and ends here" in capsys.readouterr().err
    assert main([*args, "-o", str(tmp_path / "out2"), "--watch"]) == 2

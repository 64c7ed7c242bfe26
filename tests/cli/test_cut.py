"""`edgekit cut` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.cut import parse_imgsz, parse_outputs
from edgekit.cli.main import main
from edgekit.errors import ConfigError
from edgekit.spec import load_spec
from tests.tiny_yolo import save_tiny_yolo


def test_one_line_names_what_it_is_and_what_was_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx", family="yolo26", task="pose", opset=17, end_to_end=True)
    assert main(["cut", str(model), "-o", str(tmp_path / "h.onnx")]) == 0
    line, *rest = capsys.readouterr().out.splitlines()
    for told in ("yolo26 pose", "no NMS", "3 classes", "strides 8 16 32", "96x64", "dropped", "best rows"):
        assert told in line
    assert any("opset 17 to 11" in r for r in rest)
    assert any("Softmax" in r for r in rest)
    assert not any("CPU" in r for r in rest)
    assert main(["cut", str(model), "-o", str(tmp_path / "kept.onnx"), "--keep-softmax"]) == 0
    assert "left to the board's CPU: Softmax /model.8/m/m.0/attn/Softmax" in capsys.readouterr().out
    assert main(["cut", str(tmp_path / "h.onnx"), "-o", str(tmp_path / "again.onnx")]) == 0
    assert "cut already" in capsys.readouterr().out


def test_json_holds_the_sidecar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx", dynamic_size=True)
    args = ["cut", str(model), "-o", str(tmp_path / "h.onnx"), "--imgsz", "64,96", "--json"]
    assert main(args) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == json.loads((tmp_path / "h.json").read_text())
    assert told["dropped"]
    assert load_spec(tmp_path / "h.json").preprocess.size_wh == (96, 64)


def test_mistakes_are_two_lines_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx")
    for args in (
        ["cut", str(tmp_path / "none.onnx"), "-o", str(tmp_path / "h.onnx")],
        ["cut", str(model), "-o", str(tmp_path / "h.onnx"), "--imgsz", "64"],
        ["cut", str(model), "-o", str(tmp_path / "h.onnx"), "--branch", "one2one"],
    ):
        assert main(args) == 2
        error = capsys.readouterr().err
        assert "error: " in error
        assert "hint: " in error
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_nothing_that_exists_is_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx")
    mine = tmp_path / "mine.json"
    mine.write_text("[1, 2]")
    args = ["cut", str(model), "-o", str(tmp_path / "mine.onnx")]
    assert main(args) == 2
    assert "mine.json exists already" in capsys.readouterr().err
    assert mine.read_text() == "[1, 2]"
    assert not (tmp_path / "mine.onnx").exists()
    assert main([*args, "--overwrite"]) == 0
    assert f"--overwrite replaces {mine}" in capsys.readouterr().err
    assert load_spec(mine).files["model"].name == "mine.onnx"
    assert main(args) == 2
    assert "mine.onnx and " in capsys.readouterr().err


def test_the_model_and_its_sidecar_are_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_tiny_yolo(tmp_path / "m.onnx")
    before = model.read_bytes()
    (tmp_path / "link.onnx").symlink_to(model)
    for name in ("m.onnx", "link.onnx", "."):
        assert main(["cut", str(model), "-o", str(tmp_path / name), "--overwrite"]) == 2
        assert "error: " in capsys.readouterr().err
    assert model.read_bytes() == before
    assert (tmp_path / "link.onnx").is_symlink()


def test_parse_imgsz() -> None:
    assert parse_imgsz(None) is None
    assert parse_imgsz("480,640") == (480, 640)
    assert parse_imgsz("640") == (640, 640)
    for text in ("", "a,b", "1,2,3", "0,32", "-32,32", "99999999"):
        with pytest.raises(ConfigError):
            parse_imgsz(text)


def test_parse_outputs() -> None:
    assert parse_outputs(None) is None
    assert parse_outputs("box_8=/a.0/Conv, class=b,c") == {"/a.0/Conv": "box", "b": "class", "c": ""}
    for text in ("", ",", "boxes=a", "box=", "a,a"):
        with pytest.raises(ConfigError):
            parse_outputs(text)

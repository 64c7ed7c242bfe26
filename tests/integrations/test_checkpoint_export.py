from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.errors import ConfigError, ModelError, OutputError
from edgekit.integrations.checkpoint_export import as_onnx, export_checkpoint
from tests.tiny_yolo import save_tiny_yolo

# Stands for an interpreter with Ultralytics: notes its arguments, and exports what a stock export is.
PROGRAM = """\
#!{python}
import pathlib, shutil, sys
options = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a and not a.startswith("from "))
with open({calls!r}, "a") as stream:
    stream.write(" ".join(sys.argv[3:]) + "\\n")
if pathlib.Path(options["model"]).read_bytes() == b"broken":
    sys.exit("\\x1b[31mEOFError: Ran out of input\\x1b[0m")
shutil.copyfile({onnx!r}, pathlib.Path(options["model"]).with_suffix(".onnx"))
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    onnx = save_tiny_yolo(tmp_path / "stock.onnx", family="yolov8")
    program = tmp_path / "python_with_ultralytics"
    program.write_text(PROGRAM.format(python=sys.executable, calls=str(tmp_path / "calls"), onnx=str(onnx)))
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "best.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_checkpoint_is_exported_once(tmp_path: Path, python: str, checkpoint: Path) -> None:
    first = export_checkpoint(checkpoint, tmp_path / "out", python=python)
    assert first.path == tmp_path / "out" / "best.onnx" and not first.reused
    assert first.path.read_bytes() == (tmp_path / "stock.onnx").read_bytes()
    assert export_checkpoint(checkpoint, tmp_path / "out", python=python).reused
    assert calls(tmp_path) == ["export model=checkpoint.pt format=onnx opset=11 batch=1 dynamic=False"]
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.pt"]  # nothing is written beside it
    record = json.loads((tmp_path / "out" / "best.export.json").read_text())
    assert record["schema"] == "edgekit.checkpoint-export/1" and record["checkpoint"] == "best.pt"


def test_another_checkpoint_or_size_or_a_damaged_file_is_exported_again(
    tmp_path: Path, python: str, checkpoint: Path
) -> None:
    out = tmp_path / "out"
    export_checkpoint(checkpoint, out, python=python)
    assert not export_checkpoint(checkpoint, out, python=python, imgsz_hw=(320, 416)).reused
    assert calls(tmp_path)[-1].endswith("imgsz=320,416")
    checkpoint.write_bytes(b"weights of another run")
    assert not export_checkpoint(checkpoint, out, python=python, imgsz_hw=(320, 416)).reused
    (out / "best.onnx").write_bytes(b"half")
    assert not export_checkpoint(checkpoint, out, python=python, imgsz_hw=(320, 416)).reused
    (out / "best.export.json").write_text("{}")
    assert not export_checkpoint(checkpoint, out, python=python, imgsz_hw=(320, 416)).reused


def test_an_onnx_of_somebody_else_is_not_replaced(tmp_path: Path, python: str, checkpoint: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "best.onnx").write_bytes(b"mine")
    with pytest.raises(OutputError):
        export_checkpoint(checkpoint, tmp_path / "out", python=python)
    assert calls(tmp_path) == []


def test_what_ultralytics_says_last_is_the_reason(tmp_path: Path, python: str, checkpoint: Path) -> None:
    checkpoint.write_bytes(b"broken")
    with pytest.raises(
        ModelError, match=r"did not export best.pt \(exit code 1\): EOFError: Ran out of input"
    ) as error:
        export_checkpoint(checkpoint, tmp_path / "out", python=python)
    assert "best.export.log" in error.value.hint
    assert not list((tmp_path / "out").glob("*.onnx"))


def test_without_ultralytics_it_says_how_to_get_an_onnx(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("EDGEKIT_ULTRALYTICS_PYTHON", raising=False)
    with pytest.raises(ConfigError, match="Ultralytics.* is not installed here") as error:
        export_checkpoint(checkpoint, tmp_path / "out")
    assert "pip install ultralytics" in error.value.hint and "--python" in error.value.hint
    assert "yolo export model=best.pt format=onnx opset=11" in error.value.hint


def test_the_interpreter_may_come_from_the_environment(
    tmp_path: Path, python: str, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_ULTRALYTICS_PYTHON", python)
    assert as_onnx(checkpoint, tmp_path / "bundle") == tmp_path / "bundle_export" / "best.onnx"
    with pytest.raises(ConfigError, match="is no program here"):
        as_onnx(checkpoint, tmp_path / "other", python=str(tmp_path / "absent"))
    assert as_onnx(tmp_path / "stock.onnx", tmp_path / "bundle", python="absent") == tmp_path / "stock.onnx"
    with pytest.raises(ConfigError, match="an input size is there for stock.onnx"):
        as_onnx(tmp_path / "stock.onnx", tmp_path / "bundle", imgsz_hw=(64, 64))


def test_cut_takes_a_checkpoint(
    tmp_path: Path, python: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = tmp_path / "heads.onnx"
    assert main(["cut", str(checkpoint), "-o", str(heads), "--python", python]) == 0
    assert heads.is_file() and heads.with_suffix(".json").is_file()
    assert main(["cut", str(tmp_path / "absent.pt"), "-o", str(tmp_path / "b.onnx"), "--python", python]) == 2
    error, hint = [x for x in capsys.readouterr().err.splitlines() if not x.endswith("...")]
    assert "absent.pt does not exist, expected a checkpoint" in error and hint.startswith("hint: ")


def test_deploy_goes_from_a_checkpoint_to_a_bundle(
    tmp_path: Path, python: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.images import write_images

    write_images(tmp_path / "images", 4)
    command = ["deploy", str(checkpoint), "--images", str(tmp_path / "images"), "--toolchain", "sim", "--num", "3"]
    assert main([*command, "-o", str(tmp_path / "bundle"), "--python", python, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (tmp_path / "bundle").is_dir() and "export" in made["seconds"]
    assert len(calls(tmp_path)) == 1

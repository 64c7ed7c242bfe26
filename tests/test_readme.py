"""The README's example runs as it stands, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS, main
from edgekit.demo.scenes import render_image
from edgekit.output.writer import write_image
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    model = ROOT / "edgekit" / "demo" / "demo_seg.onnx"
    code = code.replace('"model.bin"', repr(str(model)))
    write_image(tmp_path / "image.jpg", render_image(7, (480, 360)).bgr)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)  # our own text, from the checkout
    assert "(onnxruntime)" in capsys.readouterr().out
    assert names["image"].shape == (360, 480, 3)  # type: ignore[attr-defined]
    assert min(names["pixels"]) > 0  # type: ignore[call-overload]


def test_every_command_is_named() -> None:
    for command in COMMANDS:
        assert f"`edgekit {command}" in README, command


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_what_a_scheduler_is_trusted_with_is_said_where_people_look(capsys: pytest.CaptureFixture[str]) -> None:
    """Dask exchanges pickles: README, SECURITY and the help of every command with --scheduler name it."""
    for name in ("README.md", "SECURITY.md"):
        assert any(
            "Dask" in part and "run" in part and "code" in part for part in (ROOT / name).read_text().split("\n\n")
        )
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert "--scheduler" not in said or "it may run any code here and there" in said, command

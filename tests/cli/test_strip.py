"""`edgekit strip` as a user meets it: what it writes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.spec import load_spec
from tests.sim.compiler.works import make_work


def test_nothing_that_exists_is_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(make_work(tmp_path, images=1)), "--toolchain", "sim"]) == 0
    model = tmp_path / "out" / "tiny.bin"
    before = {path: path.read_bytes() for path in model.parent.iterdir()}
    capsys.readouterr()
    assert main(["strip", str(model)]) == 2
    assert "tiny_modified.bin and " in capsys.readouterr().err
    (tmp_path / "mine.json").write_text("mine")
    args = ["strip", str(model), "-o", str(tmp_path / "mine.bin")]
    assert main(args) == 2
    assert "mine.json exists already" in capsys.readouterr().err
    assert ((tmp_path / "mine.json").read_text(), (tmp_path / "mine.bin").exists()) == ("mine", False)
    for name in ("tiny.bin", "../out/tiny.bin"):
        assert main(["strip", str(model), "-o", str(model.parent / name), "--overwrite"]) == 2
        assert "which is read in this call" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in model.parent.iterdir()} == before
    assert main([*args, "--overwrite"]) == 0
    assert f"--overwrite replaces {tmp_path / 'mine.json'}" in capsys.readouterr().err
    assert load_spec(tmp_path / "mine.json").files["model"].name == "mine.bin"

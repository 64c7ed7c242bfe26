"""The tutorial as a stranger types it: a fresh environment, a copy of the checkout, every command, its output."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.first_evening import Step, missing_line, run_step, steps_of

PAGE = ROOT / "docs" / "first-evening.md"
LEFT_OUT = (".git", ".venv*", "site", "build", "*.egg-info", "__pycache__", ".mypy_cache", ".hypothesis", "demo_out")


def test_the_page_has_steps_with_what_they_print() -> None:
    steps = steps_of(PAGE.read_text(encoding="utf-8"))
    commands = [command for step in steps for command in step.commands]
    for name in ("doctor", "demo", "calibrate", "compile", "run", "report", "eval", "deploy"):
        assert any(command.startswith(f"edgekit {name} ") or command == f"edgekit {name}" for command in commands)
    assert sum(bool(step.shown) for step in steps) >= 5


def test_what_a_page_shows_must_be_printed_in_its_order() -> None:
    printed = "work written: 36 of 36\n  looked at\nnext: edgekit compile w.yaml\n"
    assert missing_line(("work written: ... of 36", "next: edgekit compile ..."), printed) is None
    assert missing_line(("next: ...", "work written: ..."), printed) == "work written: ..."
    assert missing_line(("work written: 50 of ...",), printed) == "work written: 50 of ..."


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="^false ended with 1"):
        run_step(Step(("echo here", "false", "echo never"), ()), tmp_path, os.environ)
    assert run_step(Step(("echo $A",), ()), tmp_path, os.environ, before=("A=b",)).splitlines()[-1] == "b"


@pytest.mark.slow
def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    copy = tmp_path / "edgekit"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    home = tmp_path / "home"  # no toolchain of the vendor's, no cache
    home.mkdir()
    kept = ("PATH", "LANG", "SSL_CERT_FILE", "XDG_CONFIG_DIRS")
    environment = {name: value for name, value in os.environ.items() if name in kept or name.startswith("PIP_")}
    environment["HOME"] = str(home)
    for number, step in enumerate(steps_of(PAGE.read_text(encoding="utf-8"))):
        printed = run_step(step, copy, environment, before=(". .venv/bin/activate",) if number else ())
        missing = missing_line(step.shown, printed)
        assert missing is None, f"{step.commands} does not print {missing!r}:\n{printed[-3000:]}"
    assert len(list((copy / "out").glob("*.png")) + list((copy / "out").glob("*.jpg"))) >= 12
    assert (copy / "bundle" / "bundle.json").is_file()

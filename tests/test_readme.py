"""The README is one screen, and its links lead somewhere; its commands are tested with those of the other pages."""

from __future__ import annotations

import re

import pytest

from edgekit.cli.main import COMMANDS, main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


SCREEN_LINES = 60  # of text: what a reader sees before scrolling far


def test_it_is_one_screen() -> None:
    assert len(README.splitlines()) <= SCREEN_LINES


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_what_a_scheduler_is_trusted_with_is_said_where_people_look(capsys: pytest.CaptureFixture[str]) -> None:
    """Dask exchanges pickles: the page on accuracy, SECURITY and the help of every command with --scheduler name it."""
    for name in ("docs/accuracy.md", "SECURITY.md"):
        assert any(
            "Dask" in part and "run" in part and "code" in part for part in (ROOT / name).read_text().split("\n\n")
        )
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert "--scheduler" not in said or "it may run any code here and there" in said, command

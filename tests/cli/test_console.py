"""Colours are for terminals: none where output is piped, and none where NO_COLOR is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pty = pytest.importorskip("pty")

PRINT = "from edgekit.cli.console import print_table; print_table('t', ('name', 'value'), [('a', 1.0)])"


def on_a_terminal(**environment: str) -> str:
    """What the table's process writes to a terminal."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-c", PRINT],
        stdout=theirs,
        stdin=theirs,
        cwd=ROOT,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    written = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while block := terminal.read(4096):
                written += block
        except OSError:  # the other end is closed
            pass
    assert process.wait() == 0
    return written.decode()


def test_a_terminal_gets_styles() -> None:
    assert "\x1b[" in on_a_terminal()


def test_no_color_is_honoured() -> None:
    written = on_a_terminal(NO_COLOR="1")
    assert "name" in written and "\x1b[" not in written


def test_a_pipe_gets_plain_text(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PRINT], cwd=ROOT, capture_output=True, text=True)
    assert "name" in done.stdout and "\x1b" not in done.stdout

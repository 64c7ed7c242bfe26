"""The man page has every command and option, and the viewer reads it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argparse_manpage")

from edgekit.cli.main import COMMANDS, EXIT_CODES
from edgekit.cli.manual import manual_page
from tests.conftest import ROOT


def test_every_command_is_in_it() -> None:
    text = manual_page()
    assert all(f"'edgekit {command}'" in text for command in COMMANDS)
    assert EXIT_CODES.split(":")[0] in text.replace("\n", " ")


def test_the_viewer_reads_it(tmp_path: Path) -> None:
    man = shutil.which("man")
    if man is None:
        pytest.skip("no man")
    page = tmp_path / "man" / "edgekit.1"
    subprocess.run([sys.executable, "-m", "edgekit.cli.manual", str(page)], check=True, cwd=ROOT)
    done = subprocess.run([man, "--warnings=all", "-l", str(page)], capture_output=True, text=True)
    assert done.returncode == 0 and "EDGEKIT(1)" in done.stdout
    assert "--calibration" in done.stdout.replace("‐", "-").replace("−", "-")

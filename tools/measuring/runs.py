"""Running what is measured as a user would: a command in a process of its own, its JSON read back."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgekit.cores import cores
from edgekit.errors import DataError
from measuring.table import FOLDER, Cell, Column, Span, Table

ROOT = FOLDER.parent.parent


def make_table(command: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, interval: str = "") -> Table:
    """Return a table measured now, here, by this tree."""
    date = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d")
    return Table(date, _commit(), _machine(), command, tuple(columns), tuple(map(tuple, rows)), interval)


def run_json(arguments: Sequence[str | Path], *, ok: Sequence[int] = (0,)) -> dict[str, Any]:
    """Run a command of this Python and return the JSON that it prints; its progress goes to standard error."""
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode not in ok:
        raise DataError(
            f"{' '.join(map(str, arguments))} ended with exit code {done.returncode}, expected {ok[0]}",
            hint="its own error stands above",
        )
    document: dict[str, Any] = json.loads(done.stdout or b"{}")
    return document


def edgekit_json(*arguments: str | Path) -> dict[str, Any]:
    """Run an `edgekit` command with --json."""
    return run_json(["-m", "edgekit", *arguments, "--json"])


def span(value: dict[str, float]) -> Span:
    """Return an interval of a report."""
    return Span(value["value"], value["low"], value["high"])


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "an unknown commit"


def _machine() -> str:
    """Return the class of this machine, and nothing that tells it from others of its class."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="ascii", errors="replace").split() if info.is_file() else []
    widest = next((f", {name}" for name in ("avx512_vnni", "avx2", "asimd") if name in flags), "")
    return f"{platform.machine()}, {cores()} cores{widest}"

"""Cases through the real command line, as a process of its own."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzzing.kind import Kind
from fuzzing.outcome import CRASH, GARBLED, HANG, MEMORY, OK, REFUSED, TRACEBACK, Outcome
from fuzzing.worker import Limits

ROOT = Path(__file__).resolve().parents[2]
CODES = (0, 1, 2)
TWO_LINES = re.compile(r"^error: .+\nhint: .+\n?\Z", re.MULTILINE | re.DOTALL)


def run_command(kind: Kind, data: bytes, index: int, limits: Limits) -> Outcome:
    """Run the kind's command on one case."""
    assert kind.command
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = kind.place(data, Path(folder))
        command = [sys.executable, "-m", "edgekit", *kind.command(path)]
        started = time.monotonic()
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=3 * limits.seconds, check=False, stdin=subprocess.DEVNULL,
                cwd=ROOT,
                preexec_fn=lambda: _limit(limits),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Outcome(kind.name, index, HANG, " ".join(command[2:5]))
        outcome, message = _judge(done.returncode, done.stderr.decode("utf-8", "replace"), done.stdout)
        return Outcome(kind.name, index, outcome, message, "command line", round(time.monotonic() - started, 3))


def _judge(code: int, said: str, printed: bytes) -> tuple[str, str]:
    last = said.strip().splitlines()[-1] if said.strip() else ""
    if code < 0:
        return CRASH, f"{signal.Signals(-code).name} {last}"
    if "MemoryError" in said:
        return MEMORY, last
    if "Traceback (most recent call last)" in said or code not in CODES:
        return TRACEBACK, f"exit code {code}: {last}"
    if "\x1b" in said or b"\x1b" in printed:
        return GARBLED, last
    if code != 2:
        return OK, ""
    return (REFUSED, last) if TWO_LINES.search(said) else (GARBLED, f"exit code 2 without two lines: {said[-300:]}")


def _limit(limits: Limits) -> None:
    size = limits.memory_mb + 6144 << 20  # onnxruntime reserves far more addresses than it uses
    resource.setrlimit(resource.RLIMIT_AS, (size, size))

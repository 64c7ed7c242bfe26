"""The commands of docs/first-evening.md, run one by one as a stranger would, and what the page says they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"```(console|text)\n(.*?)```", re.S)
MARK = "=== command"


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of one block, and the lines that the page shows below them."""

    commands: tuple[str, ...]
    shown: tuple[str, ...]


def steps_of(page: str) -> list[Step]:
    """The steps of a page; a text block belongs to the console block before it."""
    steps: list[Step] = []
    for kind, body in BLOCK.findall(page):
        lines = tuple(line for line in body.splitlines() if line.strip())
        if kind == "console":
            steps.append(Step(lines, ()))
        elif steps:
            steps[-1] = Step(steps[-1].commands, steps[-1].shown + lines)
    return steps


def missing_line(shown: tuple[str, ...], printed: str) -> str | None:
    """The first line of `shown` that does not follow those before it in `printed`; "..." is anything."""
    rest = [line.strip() for line in printed.splitlines()]
    for line in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in line.strip().split("...")))
        matches = [index for index, text in enumerate(rest) if pattern.search(text)]
        if not matches:
            return line
        rest = rest[matches[0] :]
    return None


def run_step(step: Step, folder: Path, environment: Mapping[str, str], before: tuple[str, ...] = ()) -> str:
    """Run a step's commands in `folder` after those that set the shell up; return all output, ending at a failure."""
    script = ["set -e", *before, *(f"echo '{MARK}'\n{command}" for command in step.commands)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        failed = step.commands[max(0, done.stdout.count(MARK) - 1)]
        raise AssertionError(f"{failed} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout

"""A short campaign of tools/fuzz.py over every kind of input, the intact ones, and every crash of before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from fuzzing.kinds import KINDS
from fuzzing.outcome import BAD, OK

from tests.fuzz.past_crashes import PAST

CASES, SEED = 12, 20
NOT_READ: dict[str, int] = {"stock": 1}  # intact inputs that are refused


def outcomes(*arguments: str) -> list[dict[str, Any]]:
    """What tools/fuzz.py says of every case."""
    command = [sys.executable, str(ROOT / "tools" / "fuzz.py"), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def said(rows: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"case {r['index']}: {r['outcome']} {r['place']} {r['message'][:300]!r}" for r in rows)


@pytest.fixture(scope="module")
def mutated() -> list[dict[str, Any]]:
    return outcomes("all", "--cases", str(CASES), "--seed", str(SEED))


@pytest.fixture(scope="module")
def intact() -> list[dict[str, Any]]:
    return outcomes("all", "--intact")


@pytest.fixture(scope="module")
def past() -> list[dict[str, Any]]:
    return outcomes("past")


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_are_read_or_refused(kind: str, mutated: list[dict[str, Any]]) -> None:
    rows = [row for row in mutated if row["kind"] == kind]
    bad = [row for row in rows if row["outcome"] in BAD]
    assert len(rows) == CASES and not bad, said(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_intact_inputs_are_read(kind: str, intact: list[dict[str, Any]]) -> None:
    rows = [row for row in intact if row["kind"] == kind]
    others = [row for row in rows if row["outcome"] != OK]
    assert rows and len(others) <= NOT_READ.get(kind, 0), said(others)


@pytest.mark.parametrize("number", range(len(PAST)), ids=[crash.name for crash in PAST])
def test_crashes_of_before_stay_fixed(number: int, past: list[dict[str, Any]]) -> None:
    (row,) = [row for row in past if row["index"] == number]
    assert row["outcome"] == PAST[number].outcome, said([row])

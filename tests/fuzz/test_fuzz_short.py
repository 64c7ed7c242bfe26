"""A short campaign of tools/fuzz.py over every kind of input, the intact ones, and every crash of before."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from fuzzing.kinds import KINDS
from fuzzing.outcome import BAD, OK

from tests.fuzz.past_crashes import PAST

CASES, SEED = 8, 20
NOT_READ: dict[str, int] = {"stock": 1}  # intact inputs that are refused


CAMPAIGNS = {
    "mutated": ["all", "--cases", str(CASES), "--seed", str(SEED), "--json"],
    "intact": ["all", "--intact", "--json"],
    "past": ["past", "--json"],
}
ONE_PROCESS = """
import json, sys
sys.path[:0] = ["tools", "."]
import fuzz
for arguments in json.loads(sys.argv[1]):
    fuzz.main(arguments)
"""
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Rows]:
    """What tools/fuzz.py says of every case; one process runs all three, since the intact inputs take long to make."""
    command = [sys.executable, "-c", ONE_PROCESS, json.dumps(list(CAMPAIGNS.values()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(CAMPAIGNS, map(json.loads, done.stdout.splitlines()), strict=True))


def said(rows: Rows) -> str:
    return "\n".join(f"case {r['index']}: {r['outcome']} {r['place']} {r['message'][:300]!r}" for r in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_are_read_or_refused(kind: str, outcomes: dict[str, Rows]) -> None:
    rows = [row for row in outcomes["mutated"] if row["kind"] == kind]
    bad = [row for row in rows if row["outcome"] in BAD]
    assert len(rows) == CASES and not bad, said(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_intact_inputs_are_read(kind: str, outcomes: dict[str, Rows]) -> None:
    rows = [row for row in outcomes["intact"] if row["kind"] == kind]
    others = [row for row in rows if row["outcome"] != OK]
    assert rows and len(others) <= NOT_READ.get(kind, 0), said(others)


@pytest.mark.parametrize("number", range(len(PAST)), ids=[crash.name for crash in PAST])
def test_crashes_of_before_stay_fixed(number: int, outcomes: dict[str, Rows]) -> None:
    (row,) = [row for row in outcomes["past"] if row["index"] == number]
    assert row["outcome"] == PAST[number].outcome, said([row])

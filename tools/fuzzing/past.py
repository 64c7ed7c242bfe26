"""Past crashes, each tried again: tests/fuzz/past_crashes.py makes them."""

from __future__ import annotations

from fuzzing.campaign import run_cases
from fuzzing.kinds import KINDS
from fuzzing.outcome import Outcome
from fuzzing.worker import Limits


def run_past(limits: Limits) -> list[Outcome]:
    """Return the outcome of each past crash; `index` is its place in PAST."""
    from tests.fuzz.past_crashes import PAST

    found: list[Outcome] = []
    for kind in dict.fromkeys(crash.kind for crash in PAST):
        own = [index for index, crash in enumerate(PAST) if crash.kind == kind]
        found += run_cases(KINDS[kind], lambda index: PAST[index].make(), own, limits)
    return sorted(found, key=lambda outcome: outcome.index)

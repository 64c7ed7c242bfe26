"""The last rung: the cheapest setting that keeps what was asked for, surely enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.tune.candidate import Setting
from edgekit.tune.records import Scored, Step
from edgekit.tune.selection import CONFIDENCE, choose, is_met
from edgekit.tune.time_budget import PLANS


def step(cost: float, loss: float = 0.4) -> Step:
    return Step(f"at {cost}", Setting(f"set {cost}"), 0.05, 0.05, loss, loss, cost, 1)


def report(kept: float, disagreement: float, spread: float = 0.01) -> dict[str, Any]:
    draws = np.linspace(kept - spread, kept + spread, 100)
    return {
        "kept": {"box": {"value": kept, "low": draws[0], "high": draws[-1]}},
        "kept_draws": {"box": [kept, *draws.tolist()]},
        "disagreement_draws": [disagreement] * 101,
    }


FIRST = Scored(step(0.0, 1.0), report(0.95, 0.12))


@pytest.mark.parametrize(
    ("kept", "spread", "disagreement", "met"),
    [
        (0.999, 0.01, 0.06, True),
        (0.991, 0.01, 0.06, False),  # kept, but hardly more often than not
        (0.991, 0.0005, 0.06, True),
        (0.98, 0.0, 0.06, False),
        (0.999, 0.01, 0.09, False),  # disagrees nearly as much as untuned
    ],
)
def test_a_wish_is_met_surely(kept: float, spread: float, disagreement: float, met: bool) -> None:
    assert is_met(Scored(step(1.0), report(kept, disagreement, spread)), FIRST, 0.99) == met
    assert 0.5 < CONFIDENCE < 1


def test_without_labels_the_agreement_decides() -> None:
    alone = Scored(step(1.0), {"disagreement_draws": [0.07, 0.07]})
    assert is_met(alone, FIRST, 0.99)
    assert not is_met(Scored(step(1.0), {"disagreement_draws": [0.09, 0.09]}), FIRST, 0.99)
    assert is_met(Scored(step(1.0), {"disagreement_draws": [0.09, 0.09]}), FIRST, 0.9)


class Rounds:
    """A search that widens as often as `losses` has entries, and jobs that score by `reports` of a step's cost."""

    def __init__(self, finalists: list[Step], further: list[Step], reports: dict[float, dict[str, Any]]) -> None:
        self.steps, self._finalists, self._further, self._reports = [finalists[-1]], finalists, further, reports
        self.tightened, self.widened = 0, 0

    @property
    def best(self) -> Step:
        return self.steps[-1]

    def widths(self, units: object) -> bool:
        self.widened += 1
        if self.widened > 1 and self._further:
            self.steps.append(self._further.pop(0))
            return True
        return self.widened == 1

    def tighten(self, factor: float) -> None:
        self.tightened += 1

    def finalists(self, count: int) -> list[Step]:
        return self._finalists[:count]

    def take(self, one: Step, what: str) -> Step:
        self.steps.append(one)
        return one

    def run(self, stage: str, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._reports[float(job["setting"]["images"].split()[1])] for job in jobs]


def chosen_of(rounds: Rounds) -> tuple[float, bool]:
    one, met = choose(rounds, (), rounds, PLANS[0], FIRST, 0.99)  # type: ignore[arg-type]
    assert rounds.best.setting == one.step.setting
    return one.step.extra_cost, met


def test_the_cheapest_that_meets_the_wish() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.999, 0.06), 0.9: report(1.0, 0.04)}
    assert chosen_of(Rounds([step(0.2), step(0.5), step(0.9)], [], reports)) == (0.5, True)


def test_more_is_tried_where_none_meets_it() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.98, 0.05), 1.1: report(1.0, 0.03)}
    rounds = Rounds([step(0.2), step(0.5)], [step(1.1)], reports)
    assert chosen_of(rounds) == (1.1, True)
    assert rounds.tightened == 1


def test_the_nearest_to_float_where_nothing_helps() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.98, 0.07)}
    assert chosen_of(Rounds([step(0.2), step(0.5)], [], reports)) == (0.2, False)

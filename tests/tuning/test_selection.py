"""The last rung: the cheapest candidate that reaches every target, with confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgekit.tuning.candidate import Candidate
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.search import SearchState
from edgekit.tuning.selection import CONFIDENCE, is_met, select, use_int16_outputs


def step(cost: float, loss: float = 0.4) -> SearchStep:
    return SearchStep(f"at {cost}", Candidate(f"set {cost}"), 0.05, 0.05, loss, loss, cost, 1)


def report(kept: float, disagreement: float, spread: float = 0.01) -> dict[str, Any]:
    draws = np.linspace(kept - spread, kept + spread, 100)
    return {
        "kept": {"box": {"value": kept, "low": draws[0], "high": draws[-1]}},
        "kept_draws": {"box": [kept, *draws.tolist()]},
        "disagreement_draws": [disagreement] * 101,
    }


UNTUNED = Trial(step(0.0, 1.0), report(0.95, 0.12))


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
def test_targets_are_met_with_confidence(kept: float, spread: float, disagreement: float, met: bool) -> None:
    assert is_met(Trial(step(1.0), report(kept, disagreement, spread)), UNTUNED, 0.99) == met
    assert 0.5 < CONFIDENCE < 1


def test_without_labels_the_agreement_decides() -> None:
    near, far = (Trial(step(1.0), {"disagreement_draws": [value, value]}) for value in (0.07, 0.09))
    assert is_met(near, UNTUNED, 0.99)
    assert not is_met(far, UNTUNED, 0.99)
    assert is_met(far, UNTUNED, 0.9)


@dataclass
class Promotions:
    """Promotes to the front first, then by one step of `further` per call; scores by `reports` of a step's cost."""

    front: list[SearchStep]
    further: list[SearchStep]
    reports: dict[float, dict[str, Any]]
    targets: list[float] = field(default_factory=list)

    def promote(self, state: SearchState, error_ratio: float) -> SearchState:
        self.targets.append(error_ratio)
        if len(self.targets) > 1:
            return state.kept(self.further.pop(0)) if self.further else state
        return SearchState((*state.steps, self.front[-1]), front=tuple(self.front), untuned=state.untuned)

    def score(self, steps: Sequence[SearchStep]) -> list[Trial]:
        return [Trial(of_step, self.reports[of_step.extra_cost]) for of_step in steps]


FREE = step(0.0, 0.8)


def chosen_of(promotions: Promotions) -> tuple[float, bool]:
    start = SearchState((UNTUNED.step, FREE), untuned=UNTUNED)
    promotions.reports.setdefault(0.0, report(0.96, 0.11))
    state = select(start, promotions.promote, promotions.score, error_ratio=0.5, retention=0.99)
    assert state.chosen is not None and state.incumbent == state.chosen.step
    return state.incumbent.extra_cost, state.targets_met


def test_the_cheapest_that_reaches_the_targets() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.999, 0.06), 0.9: report(1.0, 0.04)}
    assert chosen_of(Promotions([step(0.2), step(0.5), step(0.9)], [], reports)) == (0.5, True)


def test_more_is_promoted_if_none_reaches_them() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.98, 0.05), 1.1: report(1.0, 0.03)}
    promotions = Promotions([step(0.2), step(0.5)], [step(1.1)], reports)
    assert chosen_of(promotions) == (1.1, True)
    assert promotions.targets == [0.5, 0.4]


def test_the_nearest_to_float_if_nothing_helps() -> None:
    reports = {0.2: report(0.97, 0.05), 0.5: report(0.98, 0.07)}
    assert chosen_of(Promotions([step(0.2), step(0.5)], [], reports)) == (0.2, False)


def test_back_to_the_untuned_default_if_everything_disagrees_more() -> None:
    reports = {0.0: report(0.9, 0.3), 0.2: report(0.9, 0.35)}
    promotions = Promotions([step(0.2)], [], reports)
    state = select(
        SearchState((UNTUNED.step, FREE), untuned=UNTUNED),
        promotions.promote,
        promotions.score,
        error_ratio=0.5,
        retention=0.99,
    )
    assert state.chosen is not None and state.chosen.step.candidate == UNTUNED.step.candidate
    assert state.incumbent.change == "back to the untuned default" and not state.targets_met


def test_what_is_free_is_chosen_where_it_reaches_the_targets() -> None:
    reports = {0.0: report(0.999, 0.06), 0.5: report(0.999, 0.05)}
    assert chosen_of(Promotions([step(0.5)], [], reports)) == (0.0, True)


def noisy(mean: float, seed: int) -> dict[str, Any]:
    draws = np.random.default_rng(seed).normal(mean, 0.01, 100)
    return {**report(0.97, mean), "disagreement_draws": [mean, *draws.tolist()]}


def test_time_is_spent_for_what_surely_disagrees_less_alone() -> None:
    reports = {0.0: noisy(0.104, 0), 0.2: noisy(0.1, 1), 0.5: noisy(0.099, 2)}
    assert chosen_of(Promotions([step(0.2), step(0.5)], [], reports)) == (0.0, False)
    reports = {0.0: noisy(0.13, 0), 0.2: noisy(0.1, 1), 0.5: noisy(0.099, 2)}
    assert chosen_of(Promotions([step(0.2), step(0.5)], [], reports)) == (0.2, False)


def test_without_agreement_the_least_loss_is_chosen() -> None:
    reports = {cost: {**report(0.97, 0.1), "disagreement_draws": None} for cost in (0.0, 0.2)}
    assert chosen_of(Promotions([step(0.2)], [], reports)) == (0.2, False)


@dataclass
class Outputs:
    """A context with one output of 32 bits: what it costs and what it loses with 16."""

    cost_in_16_bits: float
    loss_in_16_bits: float
    outputs: frozenset[str] = frozenset({"out"})

    def cost(self, candidate: Candidate) -> float:
        return self.cost_in_16_bits if "out" in candidate.int16 else 0.0

    def measure(self, stage: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        return list(candidates)

    def step(self, change: str, candidate: Candidate, measured: Candidate, tried: int) -> SearchStep:
        return SearchStep(
            change, candidate, 0.05, 0.05, self.loss_in_16_bits, self.loss_in_16_bits, self.cost(measured), tried
        )


@pytest.mark.parametrize(
    ("context", "is_taken"),
    [
        (Outputs(-0.1, 0.4), True),
        (Outputs(-0.1, 0.4004), True),
        (Outputs(-0.1, 0.41), False),  # faster, and worse
        (Outputs(0.0, 0.3), False),  # no faster
        (Outputs(-0.1, 0.4, frozenset()), False),
    ],
)
def test_outputs_get_16_bits_where_that_saves_time_and_loses_nothing(context: Any, is_taken: bool) -> None:
    before = SearchState((step(0.0),))
    after = use_int16_outputs(context, before)
    assert (after.incumbent.candidate.int16 == ("out",)) == is_taken
    assert is_taken or after is before

"""Bit allocation: what a set of tensors takes away, and which sets are affordable."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.sim.compiler.mixed_precision import PrecisionGroup
from edgekit.tuning import allocation
from edgekit.tuning.allocation import ShareRemoved, _checked, _levels, greedy_levels, learned_share
from edgekit.tuning.attribution import Attribution
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.search import SearchState

COSTS = {"a": 0.02, "b": 0.01, "c": 0.0, "d": 0.3, "e": 0.05}
PARTS = {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.35, "e": -0.1}
CHOICES = [PrecisionGroup(name, frozenset({name})) for name in COSTS]


class Costs:
    """A price that adds up, but for a tensor that costs nothing next to another."""

    band = None
    margin = fixed_cost = 0.0

    def __init__(self, free_together: frozenset[str] = frozenset()) -> None:
        self.free_together = free_together

    def share(self, int16: Collection[str]) -> float:
        is_free = bool(self.free_together) and self.free_together <= set(int16)
        free = min(COSTS[name] for name in self.free_together) if is_free else 0.0
        return sum(COSTS[name] for name in int16) - free

    def milliseconds(self, int16: Collection[str]) -> float | None:
        return None


def removed(**saturation: float) -> ShareRemoved:
    return ShareRemoved(Attribution(PARTS, saturation), {}, frozenset())


def every_level(share: ShareRemoved, price: Costs, limit: float, before: Collection[str] = ()) -> list[frozenset[str]]:
    """The levels of all rounds; what each tensor takes away is here the same in every one."""
    levels: list[frozenset[str]] = []
    while added := greedy_levels(CHOICES, share, price, levels[-1] if levels else before, limit):
        levels += added
    return levels


@pytest.mark.parametrize(
    ("most", "tensors"),
    [(0.0, {"c"}), (0.01, {"c", "b"}), (0.025, {"c", "b"}), (0.03, {"c", "b", "a"}), (1.0, {"c", "b", "a", "d"})],
)
def test_the_best_per_cost_goes_first_and_nothing_that_costs_accuracy(most: float, tensors: set[str]) -> None:
    levels = every_level(removed(), Costs(), most)
    assert levels[-1] == tensors
    assert all(smaller < larger for smaller, larger in pairwise(levels))


def test_a_group_that_does_not_fit_leaves_room_for_those_behind_it() -> None:
    parts = {**PARTS, "d": 40.0}  # best by far per cost, and too dear
    share = ShareRemoved(Attribution(parts, {}), {}, frozenset())
    assert every_level(share, Costs(), 0.03)[-1] == set("abc")


def test_costs_are_those_of_the_whole_set() -> None:
    together = Costs(frozenset({"a", "d"}))
    assert together.share({"a", "d"}) == pytest.approx(0.3)
    assert every_level(removed(), together, 0.311)[-1] == set("abcd")


def test_what_has_16_bits_already_stays() -> None:
    levels = every_level(removed(), Costs(), 0.06, ("e",))
    assert levels[-1] == {"e", "c", "b"}


def test_what_is_left_is_shared_out_anew_when_much_is_taken_away() -> None:
    first = greedy_levels(CHOICES, removed(), Costs(), (), 1.0)
    assert first[-1] == set("cb")  # 0.3 of the whole: more than `STALE`
    assert greedy_levels(CHOICES, removed(), Costs(), first[-1], 1.0)[-1] == set("cba")


def test_nothing_affordable_is_no_level() -> None:
    assert greedy_levels(CHOICES[:2], removed(), Costs(), (), 0.0) == []
    assert greedy_levels(CHOICES, removed(), Costs(), (), -1.0) == []  # a march without 16 bits


@pytest.mark.parametrize(
    ("graphs", "share"),
    [
        (("plain", "learned_1a"), 1.0),
        (("plain", "learned_1a", "learned_1a_half", "biased_2b"), 0.5),
        (("plain", "learned_1a", "rounded_plain_set", "biased_2b"), 0.0),
    ],
)
def test_the_share_of_learned_weights_is_told(graphs: tuple[str, ...], share: float) -> None:
    steps = tuple(SearchStep("", Candidate("set", graph=name), 0.0, 0.0, 1.0, 1.0, 0.0, 1) for name in graphs)
    assert learned_share(SearchState(steps)) == share


@pytest.mark.parametrize(
    ("disagreements", "graph"),
    [
        ((0.2, 0.15, 0.1), "best"),
        ((0.2, 0.1, 0.15), "best"),  # a lower loss counts, as long as the untuned default is no better
        ((0.2, 0.15, 0.3), "learned_1a"),
        ((0.2, 0.25, 0.3), "plain"),
        ((float("nan"),) * 3, "best"),
    ],
)
def test_what_disagrees_more_than_untuned_is_not_chosen(disagreements: tuple[float, ...], graph: str) -> None:
    names = ("plain", "learned_1a", "best")
    steps = tuple(SearchStep(name, Candidate("set", graph=name), 0.0, 0.0, 1.0, 1.0, 0.0, 1) for name in names)
    trials = [
        Trial(step, {"disagreement_draws": [value] * 5}) for step, value in zip(steps, disagreements, strict=True)
    ]
    state, chosen = _checked(SearchState(steps), trials)
    assert state.incumbent.candidate.graph == chosen.step.candidate.graph == graph
    assert chosen.step == state.incumbent and chosen.report == trials[names.index(graph)].report
    assert ("disagrees more" in chosen.step.change) == (graph != "best")


def test_numbers_that_are_none_promote_nothing() -> None:
    parts = {name: float("nan") for name in PARTS}
    assert greedy_levels(CHOICES, ShareRemoved(Attribution(parts, {}), {}, frozenset()), Costs(), (), 1.0) == []


def test_a_clip_goes_only_where_the_table_behind_it_has_16_bits_too() -> None:
    parts = Attribution({"conv": 0.1, "act": 0.05}, {"conv": 0.4, "act": 0.01})
    share = ShareRemoved(parts, {"conv": "act"}, frozenset({"conv"}))
    assert share({"conv"}) == pytest.approx(0.1)
    assert share({"conv", "act"}) == pytest.approx(0.56)
    assert ShareRemoved(parts, {"conv": "act"}, frozenset())({"conv"}) == pytest.approx(0.5)


def test_what_hides_at_first_shows_when_the_rest_has_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def attributed(_context: object, candidate: Candidate, *, images: int | None) -> Attribution:
        asked.append(candidate.int16)
        hides = "b" not in candidate.int16
        return Attribution({**PARTS, "e": -0.1 if hides else 0.4}, {})

    monkeypatch.setattr(allocation, "attribute_loss", attributed)
    monkeypatch.setattr(allocation, "candidate_model", lambda *_: None)
    monkeypatch.setattr(allocation, "tables_behind", lambda _: {})
    monkeypatch.setattr(allocation, "effective_clip_ranges", lambda *_: {})
    monkeypatch.setattr(allocation, "attention_differences", lambda _: frozenset())
    context: Any = SimpleNamespace(
        workspace=None, graph=None, outputs=frozenset(), choices=CHOICES, price=Costs(), limit=lambda *_, least: 0.1
    )
    base = Candidate("set")
    levels = _levels(context, base)
    assert levels[0] == base and levels[-1] == base.with_int16("abce")
    assert asked[:2] == [(), ("b", "c")]

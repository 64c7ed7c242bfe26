"""The choice by compiled frames: how far the next one may go, when it ends, and which one is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.tuning.candidate import Candidate
from edgekit.tuning.price import limit_share
from edgekit.tuning.proved_choice import CHOICES, CompiledFrame, choose_proved, next_allowance
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.search import SearchContext, SearchState, Targets

BASE_MS = 5.0
UNTUNED = SearchStep("untuned default", Candidate("set"), 0.1, 0.1, 1.0, 1.0, 0.0, 1, BASE_MS)


@pytest.mark.parametrize(
    ("frames", "most", "allowance"),
    [
        ([(0.02, -0.04)], 0.1, 0.02 + 0.13 / 1.4),  # the room that is left, at the slope
        ([(0.02, 0.09)], 0.1, None),  # near enough
        ([(0.05, 0.17)], 0.1, 0.05 - 0.08),  # by as much less as it was too long, and a bit
        ([(0.02, -0.04), (0.10, 0.22)], 0.1, 0.02 + 0.08 * 0.13 / 0.26),  # in between
        ([(0.10, 0.22), (0.02, -0.04), (0.06, 0.06)], 0.1, 0.06 + 0.04 * 0.03 / 0.16),
        ([(0.10, 0.05), (0.08, 0.2)], 0.1, None),  # compiled frames do not follow the estimates
        ([(-0.1, -0.05)], -0.2, -0.1 - 0.16),  # a frame that has to become shorter
        ([], 0.1, None),
    ],
)
def test_what_the_next_choice_may_cost(frames: list[tuple[float, float]], most: float, allowance: float | None) -> None:
    compiled = [CompiledFrame(*shares) for shares in frames]
    found = next_allowance(compiled, most, slope=1.4)
    assert found is None if allowance is None else found == pytest.approx(allowance)


@dataclass
class Board:
    """Frames that take `slope` times and `start` more than estimated; a choice spends what it may, at most `useful`."""

    slope: float = 1.0
    start: float = 0.0
    useful: float = math.inf
    compiled: list[float] = field(default_factory=list)

    def milliseconds(self, step: SearchStep) -> float:
        extra = 0.0 if step is UNTUNED else self.slope * step.extra_cost + self.start
        self.compiled.append(extra)
        return BASE_MS * (1 + extra)

    def choose(self, context: SearchContext) -> SearchState:
        cost = max(min(context.limit(UNTUNED.candidate), self.useful), 0.0)
        candidate = Candidate("set", int16=(f"{cost:.6f}",))
        step = SearchStep("int16", candidate, 0.1, 0.1, 1 - cost, 1 - cost, cost, 1, None)
        return SearchState((UNTUNED, step), chosen=Trial(step))


def context_of(most: float | None, margin: float = 0.4) -> SearchContext:
    nothing: Any = None
    price: Any = SimpleNamespace(margin=margin, fixed_cost=0.0)
    return SearchContext(
        workspace=nothing,
        runner=nothing,
        plan=nothing,
        targets=Targets(0.5, most, 0.99),
        price=price,
        untuned=UNTUNED.candidate,
        calibration_sets=(),
        choices=(),
        images=1,
    )


def chosen(board: Board, most: float | None = 0.2, **limits: Any) -> tuple[float, float, bool]:
    """Estimated cost and compiled extra of what is taken, and whether it fits."""
    all_limits = {"max_extra_cost": most or 0.0, "max_extra_ms": None, "fps": None, **limits}
    compiler: Any = board
    choice = choose_proved(context_of(most), board.choose, compiler, UNTUNED, partial(limit_share, **all_limits))
    assert choice.state.chosen is not None
    return choice.state.chosen.step.extra_cost, choice.extra, choice.fits


def test_time_that_is_left_is_spent() -> None:
    board = Board(slope=0.8)
    cost, extra, fits = chosen(board)
    assert fits and cost > 0.2 / 1.4 and extra > 0.16
    assert len(board.compiled) <= 1 + CHOICES


def test_a_frame_that_is_too_long_becomes_shorter() -> None:
    board = Board(slope=2.0, start=0.05)
    _, extra, fits = chosen(board, most=0.2)
    assert board.compiled[1] > 0.3
    assert fits and 0 < extra <= 0.2


def test_what_loses_least_within_the_limit_is_taken() -> None:
    board = Board(slope=0.5)
    cost, extra, fits = chosen(board, most=0.2)
    assert fits and extra == max(extra for extra in board.compiled if extra <= 0.2) == pytest.approx(0.5 * cost)


def test_it_ends_where_more_time_brings_nothing() -> None:
    board = Board(useful=0.05)
    assert chosen(board)[0] == pytest.approx(0.05)
    assert len(board.compiled) == 2


def test_where_nothing_fits_the_shortest_is_taken() -> None:
    board = Board(start=0.3)
    cost, extra, fits = chosen(board, most=0.1)
    assert not fits and extra == pytest.approx(min(board.compiled[1:])) and cost == pytest.approx(0.0)


def test_limits_in_milliseconds_are_of_the_compiled_frame() -> None:
    assert 0.08 < chosen(Board(slope=2.0), most=1.0, max_extra_ms=0.5)[1] <= 0.1
    assert 0.03 < chosen(Board(slope=2.0), most=1.0, fps=1000 / (BASE_MS * 1.05))[1] <= 0.05


def test_a_bpu_without_16_bits_is_compiled_once() -> None:
    board = Board(useful=0.0)
    assert chosen(board, most=None) == (0.0, 0.0, True)
    assert len(board.compiled) == 2


def test_what_meets_the_targets_goes_before_what_loses_less() -> None:
    board, states = Board(slope=0.5), list[SearchState]()

    def choose(context: SearchContext) -> SearchState:
        states.append(replace(board.choose(context), targets_met=not states))
        return states[-1]

    compiler: Any = board
    choice = choose_proved(context_of(0.2), choose, compiler, UNTUNED, lambda _: 0.2)
    assert len(states) > 1 and choice.state is states[0]

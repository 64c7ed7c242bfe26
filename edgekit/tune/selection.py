"""The last rung: of the settings near enough to float, the cheapest that keeps what was asked for on the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.tune.jobs import Jobs
from edgekit.tune.measure import score_job
from edgekit.tune.records import Scored, Step, Unit
from edgekit.tune.search import THIRD_LESS, Search
from edgekit.tune.time_budget import Plan

FINALISTS = 6
CONFIDENCE = 0.75  # of the draws of the images have to keep what was asked for
TIGHTER = 0.8  # the errors per round, while what is kept is not enough yet
ROUNDS = 3


def scored(jobs: Jobs, plan: Plan, steps: Sequence[Step]) -> list[Scored]:
    """The steps with their scores on the labelled images, or their agreement with float."""
    found = jobs.run("scores", [score_job(step.setting, plan.scored_images) for step in steps])
    return [Scored(step, report) for step, report in zip(steps, found, strict=True)]


def choose(
    search: Search, units: Sequence[Unit], jobs: Jobs, plan: Plan, first: Scored, retention: float
) -> tuple[Scored, bool]:
    """The cheapest finalist that meets every wish, and True; where none does, more 16 bits are tried.

    In the end the one that disagrees least with the float model, and False. It is the search's best step then.
    """
    search.widths(units)
    finalists = scored(jobs, plan, search.finalists(FINALISTS))
    for round_ in range(ROUNDS + 1):
        met = [one for one in finalists if is_met(one, first, retention)]
        if met:
            return _taken(search, met[0], len(finalists)), True
        search.tighten(TIGHTER)
        if round_ == ROUNDS or not search.widths(units):
            break
        finalists += scored(jobs, plan, [search.best])
    return _taken(search, min(finalists, key=lambda one: (np.nan_to_num(one.disagreement), one.step.loss)), 0), False


def is_met(one: Scored, first: Scored, retention: float) -> bool:
    """Every metric kept, and a third less disagreement than `first`; without labels the agreement decides alone."""
    lost = one.disagreement
    least = 0.0 if one.kept else 1 - retention
    return one.is_kept(retention, CONFIDENCE) and bool(
        np.isnan(lost) or lost <= max(least, first.disagreement * THIRD_LESS)
    )


def _taken(search: Search, one: Scored, of: int) -> Scored:
    if one.step.setting == search.best.setting:
        return one
    what = f"cheapest of {of} that keeps what was asked for" if of else "least disagreement with the float model"
    return Scored(search.take(one.step, what), one.report)

"""The last rung: of the candidates near enough to float, the cheapest that keeps every metric on the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgekit.tuning.promotion import promote_int16
from edgekit.tuning.records import SearchStep, Trial
from edgekit.tuning.scoring import ScoreCandidate
from edgekit.tuning.search import SearchContext, SearchState, keep_best
from edgekit.tuning.tasks import MeasureShift, ObserveSet
from edgekit.tuning.variants import write_biased

__all__ = [
    "choose_precision",
    "correct_outputs",
    "is_met",
    "keep_graph",
    "score_steps",
    "select",
    "use_int16_outputs",
]

FINALISTS = 6
CONFIDENCE = 0.75  # share of the draws of the images in which every metric has to be kept
TARGET_ERROR_RATIO = 2 / 3  # of the untuned error: what tuning promises
TIGHTER = 0.8  # the error target per round, as long as too little is kept
ROUNDS = 3
MAX_LOSS_RATIO = 0.995  # a free change is kept if the loss falls at least to this share
SAME_LOSS_RATIO = 1.002  # what saves time and loses no more loses nothing
MAX_KEPT_DROP = 0.002  # of any metric, for a bias correction of the outputs

Promote = Callable[[SearchState, float], SearchState]
Score = Callable[[Sequence[SearchStep]], list[Trial]]


def use_int16_outputs(context: SearchContext, state: SearchState) -> SearchState:
    """Give the outputs 16 bits in place of their accumulators' 32, where that makes the frame shorter.

    They are written to memory once per frame: half the bytes take less time, which 16 bits inside may then use.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The new state, or `state` itself.
    """
    incumbent = state.incumbent
    candidate = incumbent.candidate.with_int16(context.outputs)
    if context.cost(candidate) >= incumbent.extra_cost:
        return state
    measured = context.measure("outputs in 16 bits", [candidate])[0]
    step = context.step("outputs in 16 bits", candidate, measured, 1)
    return state.kept(step) if step.loss <= SAME_LOSS_RATIO * incumbent.loss else state


def choose_precision(context: SearchContext, state: SearchState) -> SearchState:
    """Promote layers to int16 until every target is reached on the images.

    Args:
        context: What is searched with.
        state: The state so far, with its points.

    Returns:
        The state with `untuned`, `chosen` and `targets_met`.
    """
    score, promote = partial(score_steps, context), partial(promote_int16, context)
    state = replace(state, untuned=score(state.steps[:1])[0])
    return select(state, promote, score, error_ratio=context.targets.error_ratio, retention=context.targets.retention)


def select(state: SearchState, promote: Promote, score: Score, *, error_ratio: float, retention: float) -> SearchState:
    """Choose the cheapest finalist that reaches every target; while none does, promote more.

    Args:
        state: The state so far, with `untuned`.
        promote: Returns a state nearer to float, for a target of `constraint_value`.
        score: Scores steps on images.
        error_ratio: The first target.
        retention: Share of every metric to keep.

    Returns:
        The state with `chosen`: the incumbent then. If none reaches every target, the cheapest than which no other
        surely disagrees less with the float model; the untuned default where that does.
    """
    untuned, free = state.untuned, state.incumbent
    assert untuned is not None, "the untuned default is scored first"
    state = promote(state, error_ratio)
    trials = score(list({step.candidate: step for step in (free, *finalists(state, FINALISTS))}.values()))
    for round_ in range(ROUNDS + 1):
        met = [trial for trial in trials if is_met(trial, untuned, retention)]
        if met:
            change = f"cheapest of {len(trials)} that reaches the targets"
            return replace(_chosen(state, met[0], change), trials=tuple(trials), targets_met=True)
        error_ratio *= TIGHTER
        if round_ == ROUNDS:
            break
        promoted = promote(state, error_ratio)
        is_new, state = len(promoted.steps) > len(state.steps), promoted
        if not is_new:
            break
        trials += score([state.incumbent])
    chosen = _nearest(trials)
    if untuned.disagrees_less_than(chosen, CONFIDENCE):
        return replace(_chosen(state, untuned, "back to the untuned default"), trials=tuple(trials))
    return replace(_chosen(state, chosen, "least disagreement with the float model"), trials=tuple(trials))


def _nearest(trials: Sequence[Trial]) -> Trial:
    """The cheapest trial than which that of the least disagreement is not surely nearer to float."""
    nearest = min(trials, key=lambda trial: (np.nan_to_num(trial.disagreement), trial.step.loss))
    if np.isnan(nearest.disagreement):
        return nearest  # labels alone decide
    as_near = [trial for trial in trials if not nearest.disagrees_less_than(trial, CONFIDENCE)]
    return min(as_near, key=lambda trial: (trial.step.extra_cost, trial.step.loss))


def finalists(state: SearchState, count: int) -> list[SearchStep]:
    """Return the incumbent, and candidates of the Pareto front that are near enough to float.

    Args:
        state: The state so far.
        count: Most steps to return.

    Returns:
        By their cost.
    """
    incumbent = state.incumbent
    near = [
        step
        for step in state.front
        if step.constraint_value <= TARGET_ERROR_RATIO and step.candidate != incumbent.candidate
    ]
    picked = sorted({i * (len(near) - 1) // max(count - 2, 1) for i in range(count - 1)}) if near else []
    return sorted([*(near[i] for i in picked), incumbent], key=lambda step: step.extra_cost)


def is_met(trial: Trial, untuned: Trial, retention: float) -> bool:
    """Return whether a trial reaches every target.

    Args:
        trial: A scored candidate.
        untuned: The scored untuned default.
        retention: Share of every metric to keep.

    Returns:
        True if every metric is kept and the disagreement is a third less than that of `untuned`; without labels the
        agreement decides alone.
    """
    disagreement = trial.disagreement
    allowed = 0.0 if trial.kept else 1 - retention
    return trial.keeps(retention, CONFIDENCE) and bool(
        np.isnan(disagreement) or disagreement <= max(allowed, untuned.disagreement * TARGET_ERROR_RATIO)
    )


def score_steps(context: SearchContext, steps: Sequence[SearchStep]) -> list[Trial]:
    """Score steps on the labelled images, or their agreement with float.

    Args:
        context: What is searched with.
        steps: The steps.

    Returns:
        A trial per step.
    """
    tasks = [ScoreCandidate(step.candidate, context.plan.scored_images) for step in steps]
    return [Trial(step, report) for step, report in zip(steps, context.run("scores", tasks), strict=True)]


def keep_graph(context: SearchContext, state: SearchState, name: str, change: str) -> SearchState:
    """Return the state with another float graph, if it is better.

    Args:
        context: What is searched with.
        state: The state so far.
        name: Of the graph in the workspace.
        change: What it changes, in words.

    Returns:
        The new state, or `state` itself.
    """
    candidate = replace(state.incumbent.candidate, graph=name)
    context.run("calibration sets", [ObserveSet(candidate.calibration_set, name)])
    return keep_best(context, state, change, [candidate], tried=1, max_loss_ratio=MAX_LOSS_RATIO)


def correct_outputs(context: SearchContext, state: SearchState) -> SearchState:
    """Correct what the outputs are off by where it counts, in the biases, if scores do not suffer (`output_shift.py`).

    Args:
        context: What is searched with.
        state: The state so far, with `chosen`.

    Returns:
        The new state.
    """
    candidate, chosen = state.incumbent.candidate, state.chosen
    assert chosen is not None, "the precision is chosen first"
    name = f"biased_{candidate.key}"
    shifts = context.run("biases", [MeasureShift(candidate, context.rungs[-1])])[0]
    write_biased(context.workspace, candidate, shifts, name)
    corrected = keep_graph(context, state, name, "bias correction of the outputs")
    if corrected is state:
        return state
    trial = score_steps(context, [corrected.incumbent])[0]
    is_worse = any(trial.kept[kind] < chosen.kept[kind] - MAX_KEPT_DROP for kind in chosen.kept)
    if is_worse or trial.disagreement > chosen.disagreement:
        return state
    return replace(corrected, chosen=trial)


def _chosen(state: SearchState, trial: Trial, change: str) -> SearchState:
    """Return the state with a trial's step as incumbent."""
    if trial.step.candidate == state.incumbent.candidate:
        return replace(state, chosen=trial)
    step = replace(trial.step, change=change)
    return replace(state.kept(step), chosen=Trial(step, trial.report))

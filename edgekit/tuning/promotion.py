"""Mixed precision: promoting layers to int16 until the error target is met, for as little time as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgekit.ptq.calibrator import Calibrator
from edgekit.tuning.builds import bounds_above, candidate_model, clippable_tensors, tensor_percentile
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.measurement import Measurement, constraint_value, loss
from edgekit.tuning.records import QuantPoint, SearchStep
from edgekit.tuning.search import SearchContext, SearchState, keep_best
from edgekit.tuning.time_budget import GAINS_PER_POINT, PREFIXES

__all__ = ["clipped_above", "clipped_at", "promote_int16"]

MAX_LOSS_RATIO_INT16 = 0.97  # int16, which costs time, must bring more than a free change
MAX_LOSS_RATIO_POINT = 0.985  # the same for one point alone
GREEDY_SLACK = 0.5  # a cheaper point is preferred if it brings at least this share of the best one's gain
SMALL_COST = 0.002  # added to costs before dividing: points of next to no cost are not infinitely good
TOGETHER = "int16 together"


def promote_int16(context: SearchContext, state: SearchState, error_ratio: float) -> SearchState:
    """Promote layers to int16 until the error target is met.

    Errors of neighbouring layers partly cancel, so that one layer alone in int16 can be worse than none. Growing
    prefixes of the most sensitive points are therefore promoted first; then those that the target does not need are
    demoted, the most expensive first; then single points are promoted greedily.

    Args:
        context: What is searched with.
        state: The state so far, with its points.
        error_ratio: Target of `constraint_value`.

    Returns:
        The new state; with the Pareto front, if it had none.
    """
    return _promote_greedily(context, _promote_prefix(context, state, error_ratio), error_ratio)


def clipped_at(context: SearchContext, candidate: Candidate, percentile: float) -> Candidate:
    """Return the candidate without saturation but in int8 convolutions, which are clipped at a percentile each.

    Args:
        context: What is searched with.
        candidate: Its calibration set and graph are kept.
        percentile: In 0..1.

    Returns:
        The candidate with the "max" calibrator and clip ranges.
    """
    candidate = replace(candidate, calibrator=Calibrator("max"))
    tensors = sorted(clippable_tensors(candidate_model(context.workspace, candidate)))
    bounds = [tensor_percentile(context.workspace, candidate, tensor, percentile) for tensor in tensors]
    return replace(candidate, clip_ranges=tuple(zip(tensors, bounds, strict=True)))


def clipped_above(context: SearchContext, candidate: Candidate, fraction: float) -> Candidate:
    """Return the candidate without saturation but of convolutions in front of activations that are flat below zero.

    Args:
        context: What is searched with.
        candidate: Its calibration set and graph are kept.
        fraction: Of all elements that each bound covers, by the positive side alone.

    Returns:
        The candidate with the "max" calibrator and clip ranges.
    """
    candidate = replace(candidate, calibrator=Calibrator("max"))
    bounds = bounds_above(context.workspace, candidate, fraction)
    return replace(candidate, clip_ranges=tuple(sorted(bounds.items())))


def _promote_prefix(context: SearchContext, state: SearchState, error_ratio: float) -> SearchState:
    prefixes = _prefixes(context, state)
    if not prefixes:
        return state
    candidates = pareto_front(prefixes, context.cost, context.losses(TOGETHER, prefixes, context.rungs[1]))
    measured, reference = context.measure(TOGETHER, candidates), context.reference()
    costs, losses = [context.cost(candidate) for candidate in candidates], [loss(m, reference) for m in measured]
    if not state.front:
        pairs = zip(candidates, measured, strict=True)
        state = replace(state, front=tuple(context.step(f"{len(c.int16)} tensors", c, m, 1) for c, m in pairs))
    reached = [i for i, m in enumerate(measured) if constraint_value(m, reference) <= error_ratio]
    best = min(reached or range(len(measured)), key=lambda i: (costs[i] if reached else losses[i], losses[i], i))
    if losses[best] > MAX_LOSS_RATIO_INT16 * state.incumbent.loss:
        return state
    most = max(constraint_value(measured[best], reference), error_ratio)

    def is_enough(m: Measurement) -> bool:
        return constraint_value(m, reference) <= most if reached else loss(m, reference) <= losses[best]

    candidate, tried = _demote_unneeded(context, state, candidates[best], is_enough)
    promoted = set(candidate.int16) - set(state.incumbent.candidate.int16)
    change = f"int16: {len(promoted)} tensors together"
    tried += len(prefixes)
    return keep_best(context, state, change, [candidate], tried=tried, max_loss_ratio=MAX_LOSS_RATIO_INT16)


def _prefixes(context: SearchContext, state: SearchState) -> list[Candidate]:
    """Return candidates with the most sensitive points in int16: by their loss alone, and by that per cost.

    int16 needs no saturation, which costs most at the objects: the convolutions left in int8 are clipped instead, as
    long as nothing but outputs is in int16 yet.
    """
    by_gain = sorted(state.points, key=lambda p: (-(p.loss_alone**2) / (p.extra_cost + SMALL_COST), p.node))
    incumbent = state.incumbent.candidate
    bases = [incumbent]
    if context.outputs.issuperset(incumbent.int16):
        bases += [clipped_at(context, incumbent, percentile) for percentile in context.plan.percentiles]
    candidates: dict[Candidate, None] = {}
    for base in bases:
        for order in (state.points, by_gain):
            for count in (n for n in PREFIXES if n <= context.plan.max_prefix):
                candidate = base.with_int16(frozenset[str]().union(*(point.tensors for point in order[:count])))
                if candidate.int16 != incumbent.int16 and _is_affordable(context, candidate):
                    candidates[candidate] = None
    return list(candidates)


def pareto_front(
    candidates: Sequence[Candidate], cost: Callable[[Candidate], float], losses: Sequence[float]
) -> list[Candidate]:
    """Return the candidates that lose less than every cheaper one.

    Args:
        candidates: The candidates.
        cost: Of a candidate.
        losses: One per candidate.

    Returns:
        From the cheapest on.
    """
    front: list[int] = []
    for i in sorted(range(len(candidates)), key=lambda i: (cost(candidates[i]), losses[i], i)):
        if not front or losses[i] < losses[front[-1]]:
            front.append(i)
    return [candidates[i] for i in front]


def _demote_unneeded(
    context: SearchContext, state: SearchState, candidate: Candidate, is_enough: Callable[[Measurement], bool]
) -> tuple[Candidate, int]:
    """Return `candidate` with unneeded points back in int8, the most expensive first, and how many were tried."""
    before = frozenset(state.incumbent.candidate.int16)
    kept = [p for p in state.points if p.tensors <= set(candidate.int16) and not p.tensors <= before]
    tried = 0
    by_cost = sorted(kept, key=lambda p: (-p.extra_cost, p.node))
    for point in by_cost[: GAINS_PER_POINT * context.plan.int16_points]:
        remaining = [p for p in kept if p is not point]
        demoted = replace(candidate, int16=tuple(sorted(before.union(*(p.tensors for p in remaining)))))
        if demoted.int16 == candidate.int16:
            continue
        tried += 1
        if is_enough(context.measure(TOGETHER, [demoted])[0]):
            candidate, kept = demoted, remaining
    return candidate, tried


def _promote_greedily(context: SearchContext, state: SearchState, error_ratio: float) -> SearchState:
    for _ in range(context.plan.int16_steps):
        if state.incumbent.constraint_value <= error_ratio:
            break
        step = _best_promotion(context, state.incumbent, state.points)
        if step is None:
            break
        state = state.kept(step)
    return state


def _best_promotion(context: SearchContext, incumbent: SearchStep, points: Sequence[QuantPoint]) -> SearchStep | None:
    """Return the incumbent with the point in int16 that brings most for its cost; None if none brings enough."""
    candidate = incumbent.candidate
    options = [point for point in points if not point.tensors <= set(candidate.int16)]
    options = [point for point in options if _is_affordable(context, candidate.with_int16(point.tensors))]
    options = options[: context.plan.int16_points]
    if not options:
        return None
    promoted = [candidate.with_int16(point.tensors) for point in options]
    measured, reference = context.measure("int16", promoted), context.reference()
    gains = [incumbent.loss - loss(m, reference) for m in measured]
    if max(gains) <= (1 - MAX_LOSS_RATIO_POINT) * incumbent.loss:
        return None
    good = [k for k, gain in enumerate(gains) if gain >= GREEDY_SLACK * max(gains)]
    extra = [context.cost(promoted[k]) - incumbent.extra_cost + SMALL_COST for k in range(len(promoted))]
    pick = max(good, key=lambda k: (gains[k] / extra[k], -k))
    return context.step(f"int16: {options[pick].node}", promoted[pick], measured[pick], len(promoted))


def _is_affordable(context: SearchContext, candidate: Candidate) -> bool:
    return context.cost(candidate) <= context.limit(candidate)

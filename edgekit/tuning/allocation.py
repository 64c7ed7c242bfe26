"""Bit allocation behind learning: the milliseconds that 16 bits may cost go where they take most of the loss away."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.graph.attention import attention_differences
from edgekit.sim.compiler.mixed_precision import PrecisionGroup
from edgekit.tuning.attribution import Attribution, attribute_loss
from edgekit.tuning.builds import candidate_model, effective_clip_ranges, tables_behind
from edgekit.tuning.candidate import LEARNED, PLAIN, ROUNDED, Candidate
from edgekit.tuning.price import Price, extra_ms
from edgekit.tuning.promotion import pareto_front
from edgekit.tuning.records import QuantPoint, SearchStep, Trial
from edgekit.tuning.search import SearchContext, SearchState
from edgekit.tuning.selection import CONFIDENCE, is_met, score_steps
from edgekit.tuning.tasks import ObserveSet
from edgekit.tuning.variants import write_blend, write_rounded

__all__ = ["ShareRemoved", "allocate_bits", "greedy_levels", "learned_share"]

HALF_SUFFIX = "_half"  # of the graph that goes HALF of the way
HALF = 0.5  # of the way from the model's own weights to the learned ones
LEVEL = 0.08  # of the loss: candidates that are measured differ by so much of what is taken away
STALE = 0.2  # of the loss: when so much of it is taken away, the rest is shared out anew
LATER_IMAGES = 32  # for that; they only correct what more of them gave at the start
LEAST_COST = 1e-4  # of the frame, added to costs before dividing: points of no cost are not infinitely good
LEAST_GAIN = 5e-4  # of the loss, for which a point gets 16 bits
ROUNDING = 1e-9  # of a sum of shares
FINALISTS = 8  # candidates that are measured on all images
TIME_WEIGHT = 0.2  # a tenth more time has to bring two hundredths of the loss
NEGLIGIBLE = 0.002  # of the frame: less than any figure of a frame is given to, and counts as no time at all


def allocate_bits(context: SearchContext, state: SearchState) -> SearchState:
    """Promote what takes away most of the loss per millisecond, until the time that it may cost is spent.

    Learned weights and biases make up for what int8 does; with less left of that, less of them is better: each level is
    measured with all, half and nothing of what was learned of them, then with the model's own weights rounded with
    error compensation. Bounds stay.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The state with `points`, `front`, `untuned`, `chosen` and `targets_met`.
    """
    free, tried = state.incumbent, dict[Candidate, str]()
    for base, weights in _bases(context, free.candidate).items():
        if base == free.candidate:
            state = replace(state, points=_points(context, state, _attributed(context, base)))
        for candidate in _levels(context, base):
            if candidate != free.candidate:
                tried[candidate] = ", ".join(filter(None, [_width(base, candidate), weights]))
    steps, finalists = _measured(context, tried)
    best = min((free, *finalists), key=_paid_loss)
    if best is not free:
        state = state.kept(replace(best, tried=len(steps)))
    trials = score_steps(context, list({step.candidate: step for step in (state.steps[0], free, best)}.values()))
    state, chosen = _checked(state, trials)
    met = is_met(chosen, trials[0], context.targets.retention)
    by_candidate = {step.candidate: step for step in steps}
    front = pareto_front(list(by_candidate), context.cost, [step.loss for step in by_candidate.values()])
    return replace(
        state,
        front=tuple(map(by_candidate.__getitem__, front)),
        untuned=trials[0],
        chosen=chosen,
        trials=tuple(trials[1:]),
        targets_met=met,
    )


def _measured(context: SearchContext, tried: Mapping[Candidate, str]) -> tuple[list[SearchStep], list[SearchStep]]:
    """Measure all candidates on half of the images, the best of them on all; return all steps, and the best ones'."""
    half = max(1, context.rungs[-1] // 2)
    screened = zip(tried.items(), context.measure("int16", list(tried), half), strict=True)
    steps = {candidate: context.step(change, candidate, m, 1, images=half) for (candidate, change), m in screened}
    best = [step.candidate for step in sorted(steps.values(), key=_paid_loss)[:FINALISTS]]
    for candidate, measured in zip(best, context.measure("int16, all images", best), strict=True):
        steps[candidate] = context.step(tried[candidate], candidate, measured, 1)
    return list(steps.values()), [steps[candidate] for candidate in best]


def _paid_loss(step: SearchStep) -> float:
    """What a candidate loses, with its time in the loss's unit; smaller is better."""
    return step.loss * (1 + TIME_WEIGHT * step.extra_cost)


def _checked(state: SearchState, trials: Sequence[Trial]) -> tuple[SearchState, Trial]:
    """The state with its last trial chosen; where the untuned default surely disagrees less, with the nearest to float.

    Trials are of the first step, of one in between and of the incumbent.
    """
    untuned, last = trials[0], trials[-1]
    if not untuned.disagrees_less_than(last, CONFIDENCE):
        return state, Trial(state.incumbent, last.report)
    nearest = min(trials, key=lambda trial: trial.disagreement)
    index = next(i for i, step in enumerate(state.steps) if step.candidate == nearest.step.candidate)
    change = f"{state.steps[index].change}; what was found behind it disagrees more with the float model"
    state = replace(state, steps=(*state.steps[:index], replace(state.steps[index], change=change)))
    return state, Trial(state.incumbent, nearest.report)


def learned_share(state: SearchState) -> float:
    """Return the share of the learned weights and biases that the chosen candidate has.

    With none of them, its weights are the model's own on their grids.

    Args:
        state: That of a search that learned.

    Returns:
        1 for all of them, 0 where the bounds alone were kept.
    """
    graphs = [step.candidate.graph for step in reversed(state.steps)]  # a corrected one comes of the one before it
    graph = next(name for name in graphs if name.startswith((LEARNED, ROUNDED)))
    return 0.0 if graph.startswith(ROUNDED) else HALF if graph.endswith(HALF_SUFFIX) else 1.0


def _bases(context: SearchContext, candidate: Candidate) -> dict[Candidate, str]:
    """What 16 bits are added to, and what of the learned weights it has, in words."""
    bases = {candidate: ""}
    if candidate.graph.startswith(f"{LEARNED}_"):
        half = f"{candidate.graph}{HALF_SUFFIX}"
        write_blend(context.workspace, candidate.calibration_set, candidate.graph, HALF, half)
        bases[replace(candidate, graph=half)] = "half of the learned weights"
        rounded = replace(candidate, graph=f"{ROUNDED}_{PLAIN}_{candidate.calibration_set}")
        own = replace(candidate, graph=PLAIN)
        if write_rounded(context.workspace, own, rounded.graph, progress=context.progress):
            bases[rounded] = "bounds alone"
        context.run("calibration sets", [ObserveSet(base.calibration_set, base.graph) for base in bases])
    return bases


def _attributed(context: SearchContext, candidate: Candidate, images: int | None = None) -> Attribution:
    """What rounding and saturation of each tensor add to a candidate's loss."""
    return attribute_loss(context, _for_attribution(context, candidate), images=images)


def _for_attribution(context: SearchContext, base: Candidate) -> Candidate:
    """The candidate whose loss is attributed: without saturation that is large and has no effect.

    A gradient times an error says what small errors do. Outputs saturate where scores are near 0 or 1 anyway, and so do
    the differences whose exponential rounds to 0.
    """
    differences = attention_differences(context.graph)
    clip_ranges = tuple((name, bound) for name, bound in base.clip_ranges if name not in differences)
    return replace(base.without_int16(context.outputs), clip_ranges=clip_ranges)


def _levels(context: SearchContext, base: Candidate) -> list[Candidate]:
    """The base where it is no incumbent, and with more and more in 16 bits; on the way the loss is shared out anew."""
    model = candidate_model(context.workspace, base)
    behind, clipped = tables_behind(model), frozenset(effective_clip_ranges(base, model))
    levels, limit = [base], context.limit(base, least=NEGLIGIBLE)
    parts = _attributed(context, base)
    while True:
        removed, before = ShareRemoved(parts, behind, clipped), levels[-1].int16
        added = greedy_levels(context.choices, removed, context.price, before, limit)
        levels += [base.with_int16(tensors) for tensors in added]
        if not added or removed(added[-1]) - removed(before) < STALE / 2:  # the time is all but spent
            return levels
        parts = _attributed(context, levels[-1], LATER_IMAGES)


def _width(base: Candidate, candidate: Candidate) -> str:
    added = len(set(candidate.int16) - set(base.int16))
    return f"int16: {added} tensors" if added else ""


@dataclass(frozen=True, slots=True)
class ShareRemoved:
    """The part of a build's loss that goes where tensors have 16 bits.

    Attributes:
        parts: The loss, shared out.
        behind: Tensor -> what the table that reads it writes.
        clipped: Tensors held by a Clip, which goes only where the table behind has 16 bits, too.
    """

    parts: Attribution
    behind: Mapping[str, str]
    clipped: frozenset[str]

    def __call__(self, tensors: Collection[str]) -> float:
        """Return it for `tensors` in 16 bits, of a whole of 1."""
        int16 = frozenset(tensors)
        unclipped = [name for name in int16 if name not in self.clipped or self.behind.get(name, name) in int16]
        rounding = math.fsum(self.parts.rounding.get(name, 0.0) for name in int16)
        return rounding + math.fsum(self.parts.saturation.get(name, 0.0) for name in unclipped)


def greedy_levels(
    choices: Sequence[PrecisionGroup],
    removed: ShareRemoved,
    price: Price,
    before: Collection[str],
    limit: float,
) -> list[frozenset[str]]:
    """Promote groups by the share of the loss that they take away per cost, as long as they are affordable.

    Args:
        choices: Groups of tensors that get 16 bits together.
        removed: Says what a set of tensors takes away.
        price: What a set of tensors costs.
        before: Tensors in 16 bits already.
        limit: Share of the frame that all of them may cost.

    Returns:
        Sets of tensors, each with all of those before it: one for about every `LEVEL` that is taken away, and the last.
        It ends where nothing more is affordable, or where so much is taken away (`STALE`) that the shares of the rest
        have to be found anew.
    """
    chosen = frozenset(before)
    levels: list[frozenset[str]] = []
    reported = share = start = removed(chosen)
    cost = price.share(chosen)

    def gain_and_cost(group: PrecisionGroup) -> tuple[float, float, float]:
        """Gain per cost, gain, and cost of everything with the group."""
        together = chosen | group.tensors
        gain, after = removed(together) - share, price.share(together)
        return gain / max(after - cost, LEAST_COST), gain, after

    queue = [(-gain_and_cost(group)[0], i) for i, group in enumerate(choices)]
    heapq.heapify(queue)
    while queue and share - start < STALE:
        _, i = heapq.heappop(queue)
        ratio, gain, after = gain_and_cost(choices[i])  # others have gone before it since it was queued
        if not gain >= LEAST_GAIN or after > limit + ROUNDING:
            continue
        if queue and -ratio > queue[0][0]:
            heapq.heappush(queue, (-ratio, i))
            continue
        chosen, share, cost = chosen | choices[i].tensors, share + gain, after
        if share - reported >= LEVEL:
            levels.append(chosen)
            reported = share
    if chosen != frozenset(before) and (not levels or levels[-1] != chosen):
        levels.append(chosen)
    return levels


def _points(context: SearchContext, state: SearchState, parts: Attribution) -> tuple[QuantPoint, ...]:
    """Every choice with what it costs, the most sensitive first: squares of different tensors' errors add up."""
    incumbent = state.incumbent
    points = []
    for choice in context.choices:
        share = sum(parts.rounding.get(name, 0.0) + parts.saturation.get(name, 0.0) for name in choice.tensors)
        share = min(max(share, 0.0), 1.0)
        makers = [node.op for node in context.graph.nodes if not choice.tensors.isdisjoint(node.outputs)]
        point = QuantPoint(
            node=choice.node,
            tensors=choice.tensors,
            op=" + ".join(dict.fromkeys(makers)) or "input",
            loss_alone=incumbent.loss * share**0.5,
            gain_int16=incumbent.loss * (1 - (1 - share) ** 0.5),
            gain_float=None,
            extra_cost=context.price.share(choice.tensors),
            extra_ms=extra_ms(context.price, choice.tensors),
        )
        points.append(point)
    return tuple(sorted(points, key=lambda point: (-point.loss_alone, point.node)))

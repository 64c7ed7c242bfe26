"""The stages of the search: calibrator and images first, then the float graph, clip ranges, and bit widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgekit.folding.clip_bounds import FRACTIONS
from edgekit.ptq.calibrator import Calibrator
from edgekit.sim.compiler.mixed_precision import PrecisionGroup
from edgekit.tuning.builds import bounds_above, candidate_model, clippable_tensors, tensor_percentile
from edgekit.tuning.candidate import ROUNDED, Candidate
from edgekit.tuning.measurement import loss, measurement_from_json
from edgekit.tuning.price import extra_ms
from edgekit.tuning.promotion import clipped_above, clipped_at
from edgekit.tuning.records import QuantPoint
from edgekit.tuning.search import SearchContext, SearchState, Stage, keep_best
from edgekit.tuning.selection import choose_precision, correct_outputs, keep_graph, use_int16_outputs
from edgekit.tuning.tasks import MeasureLayers, ObserveSet
from edgekit.tuning.time_budget import GAINS_PER_POINT
from edgekit.tuning.variants import write_corrected, write_equalized, write_rounded

__all__ = ["FREE_STAGES", "STAGES", "TIMED_STAGES"]

RUNG_DIVISOR = 2  # one in two candidates goes on to the next rung
MIN_FINALISTS = 2
MAX_LOSS_RATIO = 0.995  # a free change is kept if the loss falls at least to this share


def choose_calibrator(context: SearchContext, state: SearchState) -> SearchState:
    """Choose calibrator and calibration set by successive halving, on more images in every rung.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The new state.
    """
    plan, incumbent = context.plan, state.incumbent.candidate
    calibrators = [Calibrator("max"), Calibrator("kl"), *(Calibrator("max", p) for p in plan.percentiles)]
    context.run("calibration sets", [ObserveSet(name, incumbent.graph) for name in context.calibration_sets])
    candidates = [
        replace(incumbent, calibration_set=name, calibrator=calibrator)
        for name in context.calibration_sets
        for calibrator in calibrators
    ]
    candidates += [
        clipped_at(context, replace(incumbent, calibration_set=name), percentile)
        for name in context.calibration_sets
        for percentile in plan.percentiles
    ]
    candidates += [
        clipped_above(context, replace(incumbent, calibration_set=name), fraction)
        for name in context.calibration_sets
        for fraction in FRACTIONS
    ]
    tried = len(candidates)
    for images in context.rungs:
        losses = context.losses("calibrators", candidates, images)
        order = sorted(range(len(candidates)), key=lambda i: (losses[i], i))
        count = max(MIN_FINALISTS, -(-len(candidates) // RUNG_DIVISOR))
        candidates = [candidates[i] for i in order[:count]]
    change = "calibrator and images"
    return keep_best(context, state, change, candidates, tried=tried, max_loss_ratio=MAX_LOSS_RATIO)


def equalize_layers(context: SearchContext, state: SearchState) -> SearchState:
    """Try the cross-layer equalized float graph; not where the model declares thresholds, which are of other channels.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The new state.
    """
    if context.graph.declared.thresholds:
        return state
    name = "equalized"
    tensors = write_equalized(context.workspace, context.untuned.calibration_set, name)
    if not tensors:
        return state
    return keep_graph(context, state, name, f"cross-layer equalization of {len(tensors)} tensors")


def round_weights(context: SearchContext, state: SearchState) -> SearchState:
    """Try the float graph with weights rounded to their int8 grids with error compensation.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The new state.
    """
    candidate = state.incumbent.candidate
    name = f"{ROUNDED}_{candidate.graph}_{candidate.calibration_set}"
    return _try_graph(context, state, name, write_rounded, "weight rounding")


def correct_rounding(context: SearchContext, state: SearchState) -> SearchState:
    """Try the float graph with the mean shift of int8 weights corrected in the biases.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The new state.
    """
    candidate = state.incumbent.candidate
    name = f"{candidate.graph}_{candidate.calibration_set}_corrected"
    return _try_graph(context, state, name, write_corrected, "bias correction")


def _try_graph(
    context: SearchContext, state: SearchState, name: str, write: Callable[..., int], change: str
) -> SearchState:
    """Write another float graph of the incumbent's; keep it where convolutions changed and it is better."""
    count = write(context.workspace, state.incumbent.candidate, name, progress=context.progress)
    return keep_graph(context, state, name, f"{change} of {count} convolutions") if count else state


def measure_sensitivity(context: SearchContext, state: SearchState) -> SearchState:
    """Measure each quantization point alone: the loss of its int8, and for the worst the gain of int16 or float.

    Args:
        context: What is searched with.
        state: The state so far.

    Returns:
        The state with its `points`, the most sensitive first.
    """
    choices, incumbent = context.choices, state.incumbent.candidate
    losses = _losses_of_layers(context, incumbent, "each point alone in int8", [c.tensors for c in choices])
    order = sorted(range(len(choices)), key=lambda i: (-losses[i], choices[i].node))
    worst = [choices[i] for i in order[: GAINS_PER_POINT * context.plan.int16_points]]
    promoted = [incumbent, *(incumbent.with_int16(choice.tensors) for choice in worst)]
    in_int16 = context.losses("each point alone in int16", promoted, context.rungs[0])
    everything = frozenset[str]().union(*(choice.tensors for choice in choices))
    groups = [everything, *(everything - choice.tensors for choice in worst)]
    in_float = _losses_of_layers(context, incumbent, "each point alone in float", groups)
    gains_int16, gains_float = (
        {choice.node: losses[0] - value for choice, value in zip(worst, losses[1:], strict=True)}
        for losses in (in_int16, in_float)
    )
    points = tuple(
        QuantPoint(
            node=choices[i].node,
            tensors=choices[i].tensors,
            op=_operations(context, choices[i]),
            loss_alone=losses[i],
            gain_int16=gains_int16.get(choices[i].node),
            gain_float=gains_float.get(choices[i].node),
            extra_cost=context.price.share(choices[i].tensors),
            extra_ms=extra_ms(context.price, choices[i].tensors),
        )
        for i in order
    )
    return replace(state, points=points)


def _losses_of_layers(
    context: SearchContext, candidate: Candidate, stage: str, groups: Sequence[frozenset[str]]
) -> list[float]:
    """Return the loss of the float model with each group of tensors in int8."""
    base, images = replace(candidate, clip_ranges=(), int16=()), context.rungs[0]
    results = context.run(stage, [MeasureLayers(base, group, images) for group in groups])
    reference = context.reference(images)
    return [loss(measurement_from_json(result), reference) for result in results]


def _operations(context: SearchContext, choice: PrecisionGroup) -> str:
    """Return the operations that make a point's tensors, such as "Conv + Table"."""
    makers = [node.op for node in context.graph.nodes if not choice.tensors.isdisjoint(node.outputs)]
    return " + ".join(dict.fromkeys(makers)) or "input"


def choose_clip_ranges(context: SearchContext, state: SearchState) -> SearchState:
    """Try other clip ranges than the calibrator's, tensor by tensor, the most sensitive first.

    Args:
        context: What is searched with.
        state: The state so far, with its points.

    Returns:
        The new state.
    """
    plan, workspace, images = context.plan, context.workspace, context.rungs[1]
    candidate, tried = state.incumbent.candidate, 0
    convolutions = clippable_tensors(candidate_model(workspace, candidate))
    tensors = dict.fromkeys(t for point in state.points for t in sorted(point.tensors) if t in convolutions)
    positive = [bounds_above(workspace, candidate, fraction) for fraction in plan.clip_percentiles]
    least = context.losses("clip ranges", [candidate], images)[0]
    for tensor in list(tensors)[: plan.clip_tensors]:
        bounds = {tensor_percentile(workspace, candidate, tensor, p) for p in plan.clip_percentiles}
        bounds |= {above[tensor] for above in positive if tensor in above}
        current = dict(candidate.clip_ranges).get(tensor)
        options = [candidate.with_clip_range(tensor, bound) for bound in sorted(bounds) if bound != current]
        if not options:  # every percentile gives the bound that it has
            continue
        losses = context.losses("clip ranges", options, images)
        tried += len(options)
        best = min(range(len(options)), key=lambda i: (losses[i], i))
        if losses[best] < MAX_LOSS_RATIO * least:
            candidate, least = options[best], losses[best]
    change = "clip ranges of single tensors"
    return keep_best(context, state, change, [candidate], tried=tried, max_loss_ratio=MAX_LOSS_RATIO)


FREE_STAGES: frozenset[Stage] = frozenset(
    {equalize_layers, round_weights, correct_rounding, measure_sensitivity, choose_clip_ranges}
)
STAGES: tuple[Stage, ...] = (
    choose_calibrator,
    equalize_layers,
    round_weights,
    correct_rounding,
    measure_sensitivity,
    choose_clip_ranges,
    use_int16_outputs,
    choose_precision,
    correct_outputs,
)
TIMED_STAGES = 2  # the last ones: they spend time on 16 bits, and are run again where that was too much or too little

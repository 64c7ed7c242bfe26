"""The search: stages that each turn the state so far into a better one, composed in a tuple.

Everything that is tried is a task (`tasks.py`); a stage depends on results alone, so that the same seed and plan choose
the same, however many workers there are and however often the run was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any, Protocol

from edgekit.graph.float_graph import FloatGraph
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.mixed_precision import PrecisionGroup
from edgekit.tuning.candidate import Candidate
from edgekit.tuning.measurement import Measurement, constraint_value, loss, measurement_from_json
from edgekit.tuning.price import Price
from edgekit.tuning.records import QuantPoint, SearchStep, Trial
from edgekit.tuning.tasks import MeasureCandidate, TuneTask, run_task
from edgekit.tuning.time_budget import SearchPlan
from edgekit.tuning.workspace import Workspace

__all__ = ["SearchContext", "SearchState", "Stage", "Targets", "TrialRunner", "run_stages", "start_search"]

UNTUNED = "untuned default"


class TrialRunner(Protocol):
    """Where tasks go: a `MemoizedRunner`."""

    def run(self, stage: str, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """Return the results of `function` over `tasks`, in their order."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the search is to reach.

    Attributes:
        error_ratio: Upper limit of `constraint_value`.
        max_extra_cost: Upper limit of the estimated extra time, below 0 where the frame has to become shorter; None
            without 16 bits.
        retention: Share of every metric of the float model to keep.
    """

    error_ratio: float
    max_extra_cost: float | None
    retention: float


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What a stage may use, the same for all.

    Attributes:
        workspace: The tuning folder.
        runner: Runs tasks.
        plan: How much is tried.
        targets: What is to be reached.
        price: What 16 bits cost.
        untuned: The untuned default.
        calibration_sets: Names of the calibration sets, the default first.
        choices: Tensors that can be promoted to int16 together.
        outputs: Outputs with 32 bits that can have 16.
        images: Number of images to measure on.
        allowance: What all 16 bits of a candidate may cost by the estimate, as a share of the frame, where compiled
            frames say it; None: by the price's margin.
        progress: Called with stage, done and total.
    """

    workspace: Workspace
    runner: TrialRunner
    plan: SearchPlan
    targets: Targets
    price: Price
    untuned: Candidate
    calibration_sets: tuple[str, ...]
    choices: tuple[PrecisionGroup, ...]
    images: int
    outputs: frozenset[str] = frozenset()
    allowance: float | None = None
    progress: Progress = silent

    @property
    def graph(self) -> FloatGraph:
        """The plain float graph."""
        return self.workspace.model(self.untuned.calibration_set, self.untuned.graph).graph

    @property
    def rungs(self) -> tuple[int, ...]:
        """Images per rung of the successive halving, no more than there are."""
        return tuple(min(rung, self.images) for rung in self.plan.rungs)

    def run(self, stage: str, tasks: Sequence[TuneTask]) -> list[Any]:
        """Return the results of tasks over the workspace."""
        return self.runner.run(stage, partial(run_task, self.workspace), tasks)

    def measure(self, stage: str, candidates: Iterable[Candidate], images: int | None = None) -> list[Measurement]:
        """Return the candidates' errors on the first `images` (all of the last rung)."""
        tasks = [MeasureCandidate(candidate, images or self.rungs[-1]) for candidate in candidates]
        return [measurement_from_json(result) for result in self.run(stage, tasks)]

    def reference(self, images: int | None = None) -> Measurement:
        """Return the errors of the untuned default on the same images."""
        return self.measure("untuned", [self.untuned], images)[0]

    def losses(self, stage: str, candidates: Iterable[Candidate], images: int | None = None) -> list[float]:
        """Return the candidates' losses on the first `images` (all of the last rung)."""
        reference = self.reference(images)
        return [loss(measured, reference) for measured in self.measure(stage, candidates, images)]

    def cost(self, candidate: Candidate) -> float:
        """Return the estimated extra time of a candidate."""
        return self.price.share(candidate.int16)

    def limit(self, candidate: Candidate, *, least: float = 0.0) -> float:
        """Return what all 16 bits of a candidate may cost by the estimate, so that the compiled frame stays in bounds.

        What its outputs save counts as it is estimated. 16 bits inside may cost more than that by the price's margin,
        and something for the first of them, since the compiler orders the layers anew; where there is no time for
        that, there are none.

        Args:
            candidate: Its outputs in 16 bits are what saves.
            least: What may always be spent, where 16 bits may at all.
        """
        most = self.targets.max_extra_cost
        if most is None:
            return -math.inf
        if self.allowance is not None:
            return self.allowance
        outputs = self.outputs.intersection(candidate.int16)
        saved = max(-self.price.share(outputs), 0.0) if outputs else 0.0
        time = (most if most < 0 else max(most, least)) + saved - self.price.fixed_cost
        return time / (1 + self.price.margin) - saved if time >= 0 else -math.inf

    def step(
        self, change: str, candidate: Candidate, measured: Measurement, tried: int, *, images: int | None = None
    ) -> SearchStep:
        """Return the step that takes a candidate measured on the first `images` (all of the last rung)."""
        reference = self.reference(images)
        return SearchStep(
            change,
            candidate,
            error=measured.everywhere.mean,
            weighted_error=measured.weighted.mean,
            loss=loss(measured, reference),
            constraint_value=constraint_value(measured, reference),
            extra_cost=self.cost(candidate),
            tried=tried,
            milliseconds=self.price.milliseconds(candidate.int16),
        )


@dataclass(frozen=True, slots=True)
class SearchState:
    """What the stages have found.

    Attributes:
        steps: Kept candidates; the last one is the incumbent.
        points: Quantization points with their sensitivity, the most sensitive first.
        front: The Pareto front of int16: candidates by their cost, each of which loses less than every cheaper one.
        untuned: The untuned default, scored.
        chosen: The incumbent, scored.
        trials: Every step that was scored on images.
        targets_met: Whether it reaches every target.
    """

    steps: tuple[SearchStep, ...]
    points: tuple[QuantPoint, ...] = ()
    front: tuple[SearchStep, ...] = ()
    untuned: Trial | None = None
    chosen: Trial | None = field(default=None)
    trials: tuple[Trial, ...] = ()
    targets_met: bool = False

    @property
    def incumbent(self) -> SearchStep:
        """The best step so far."""
        return self.steps[-1]

    def kept(self, step: SearchStep) -> SearchState:
        """Return the state with another incumbent."""
        return replace(self, steps=(*self.steps, step))


class Stage(Protocol):
    """A step of the search: a pure function of context and state."""

    def __call__(self, context: SearchContext, state: SearchState, /) -> SearchState:
        """Return a state as good or better."""


def start_search(context: SearchContext) -> SearchState:
    """Return the state with the untuned default alone.

    Args:
        context: What is searched with.

    Returns:
        The first state.
    """
    return SearchState((context.step(UNTUNED, context.untuned, context.reference(), 1),))


def run_stages(context: SearchContext, state: SearchState, stages: Sequence[Stage]) -> SearchState:
    """Run stages one after another.

    Args:
        context: What is searched with.
        state: Where to start.
        stages: The stages, such as `STAGES`; pure functions of context and state.

    Returns:
        The last state.
    """
    return reduce(lambda current, stage: stage(context, current), stages, state)


def keep_best(
    context: SearchContext,
    state: SearchState,
    change: str,
    candidates: Sequence[Candidate],
    *,
    tried: int,
    max_loss_ratio: float,
) -> SearchState:
    """Return the state with the best of `candidates` as incumbent, if its loss is below that share of the incumbent's.

    Args:
        context: What is searched with.
        state: The state so far.
        change: What they change, in words.
        candidates: Measured on all images.
        tried: How many candidates led to them.
        max_loss_ratio: Share of the incumbent's loss that has to be undercut.

    Returns:
        The new state, or `state` itself.
    """
    measured = context.measure("last rung", candidates)
    reference = context.reference()
    losses = [loss(errors, reference) for errors in measured]
    best = min(range(len(losses)), key=lambda i: (losses[i], i))
    if losses[best] < max_loss_ratio * state.incumbent.loss:
        return state.kept(context.step(change, candidates[best], measured[best], tried))
    return state

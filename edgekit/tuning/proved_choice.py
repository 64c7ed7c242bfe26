"""A choice by what the vendor's compiler makes of it: compile, correct what 16 bits may cost, choose again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgekit.tuning.prove import FrameCompiler
from edgekit.tuning.records import SearchStep
from edgekit.tuning.search import SearchContext, SearchState

__all__ = ["COMPILED", "CompiledFrame", "ProvedChoice", "choose_proved", "next_allowance"]

CHOICES = 4  # that are compiled, some minutes each
COMPILED = CHOICES + 1  # the untuned default, too
UNSPENT = 0.02  # of the frame: less than the compiler's own scatter from one choice to the next is not worth a round
AIM = 0.01  # of the frame below the limit: what the next choice aims at

Choose = Callable[[SearchContext], SearchState]
LimitShare = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class CompiledFrame:
    """What 16 bits add to the untuned frame, as shares of it: by the estimate, and as compiled."""

    estimated: float
    compiled: float


@dataclass(frozen=True, slots=True)
class ProvedChoice:
    """A state whose chosen candidate was compiled.

    Attributes:
        state: The state.
        extra: What its frame takes over the untuned one's, as a share, compiled.
        most: What it may.
    """

    state: SearchState
    extra: float
    most: float

    @property
    def fits(self) -> bool:
        """Whether the compiled frame is within the limit."""
        return self.extra <= self.most

    @property
    def order(self) -> tuple[bool, float, bool, float]:
        """Smaller is better: what fits (the nearest to that where nothing does), meets the targets and loses least."""
        assert self.state.chosen is not None, "the precision was chosen"
        over = 0.0 if self.fits else self.extra
        return not self.fits, over, not self.state.targets_met, self.state.chosen.step.loss


def choose_proved(
    context: SearchContext, choose: Choose, compiler: FrameCompiler, untuned: SearchStep, limit_share: LimitShare
) -> ProvedChoice:
    """Choose, compile, and choose again with what was learned of the price, until the time is used and kept.

    Args:
        context: What is searched with.
        choose: Returns the state with the chosen candidate.
        compiler: Compiles candidates.
        untuned: The untuned default, which shares are of.
        limit_share: Milliseconds of its compiled frame -> share that a candidate may add.

    Returns:
        The best choice that keeps the limit; where none does, the shortest.
    """
    base = compiler.milliseconds(untuned)
    most = limit_share(base)
    if context.targets.max_extra_cost is not None:
        context = replace(context, targets=replace(context.targets, max_extra_cost=most))
    choices: dict[SearchStep, ProvedChoice] = {}
    frames: list[CompiledFrame] = []
    for _ in range(CHOICES):
        state = choose(context)
        assert state.chosen is not None, "the precision was chosen"
        step = state.chosen.step
        if any(step.candidate == known.candidate for known in choices):
            break  # other limits bring nothing else
        choices[step] = choice = ProvedChoice(state, compiler.milliseconds(step) / base - 1, most)
        frames.append(CompiledFrame(step.extra_cost, choice.extra))
        allowance = next_allowance(frames, most, slope=1 + context.price.margin)
        if context.targets.max_extra_cost is None or allowance is None:
            break
        context = replace(context, allowance=allowance)
    return min(choices.values(), key=lambda choice: choice.order)


def next_allowance(frames: Sequence[CompiledFrame], most: float, *, slope: float) -> float | None:
    """Return what the next choice may cost by the estimate, so that its compiled frame comes near a limit.

    Args:
        frames: What was compiled.
        most: The limit of the compiled frame.
        slope: By how much faster a compiled frame may grow than its estimate, where nothing says it.

    Returns:
        A share of the untuned frame; None where the best frame is near enough to the limit, or where compiled frames do
        not follow their estimates.
    """
    fitting = [frame for frame in frames if frame.compiled <= most]
    over = [frame for frame in frames if frame.compiled > most]
    longest = max(fitting, key=lambda frame: frame.compiled, default=None)
    shortest = min(over, key=lambda frame: frame.compiled, default=None)
    if longest is None:
        return None if shortest is None else shortest.estimated - (shortest.compiled - most + AIM)
    if most - longest.compiled <= UNSPENT:
        return None
    rise = most - AIM - longest.compiled
    if shortest is None:
        return longest.estimated + rise / slope
    step = shortest.estimated - longest.estimated
    return longest.estimated + step * rise / (shortest.compiled - longest.compiled) if step > 0 else None

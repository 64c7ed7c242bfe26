"""The search: calibrator and images first, then thresholds one by one, then 16 bits for the fewest places.

Everything that is tried is a job (`measure.py`); the choice depends on their results alone, so that the same seed and
plan choose the same, however many workers there are and however often the run was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edgekit.sim.compiler.mixed_precision import PrecisionGroup
from edgekit.tune.candidate import KL, MAX, Setting
from edgekit.tune.cost import extra_cost
from edgekit.tune.measure import Job, alone_job, error_job, observe_job, shift_job
from edgekit.tune.output_error import Errors, errors_from, loss, worst
from edgekit.tune.records import Step, Unit
from edgekit.tune.time_budget import GAINS_PER_UNIT, PREFIXES, Plan
from edgekit.tune.workspace import Work, base_subject, clippable_tensors, tensor_percentile

KEPT_OF_RUNG = 2  # one in two candidates goes on to the next rung
WORTH = 0.995  # a free change is taken where the loss falls at least to this share
WORTH_WIDE = 0.97  # 16 bits, which cost time, must bring more
WORTH_ONE = 0.985  # the same for one place alone
SMALL_COST = 0.002  # added to costs before dividing: places of next to no cost are not infinitely good
THIRD_LESS = 2 / 3  # of the untuned error, what tuning promises
MOST_GAIN = 0.5  # a cheaper place is preferred where it brings at least this share of the best one's gain


class Runs(Protocol):
    """Where jobs go: `Jobs` of `jobs.py`."""

    def run(self, stage: str, jobs: Sequence[Job]) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the search is to reach: `error_share` of the untuned errors (`figures.worst`), at no more than
    `max_extra_cost`.
    """

    error_share: float
    max_extra_cost: float


class Search:
    """The stages, each from the best setting so far to a better one; `steps` is their record.

    `front` is what 16 bits bring: settings by their cost, each of which loses less than every cheaper one.
    """

    def __init__(self, work: Work, runs: Runs, plan: Plan, images: int, untuned: Setting, wishes: Wishes) -> None:
        self._work, self._runs, self._plan, self._wishes = work, runs, plan, wishes
        self._rungs = [min(rung, images) for rung in plan.rungs]
        self._graph = base_subject(work.folder, untuned.images, untuned.graph).graph
        self._untuned = untuned
        self.untuned = self.errors("untuned", [untuned])[0]
        self.steps = [self._step("untuned default", untuned, self.untuned, 1)]
        self.front: list[Step] = []

    @property
    def best(self) -> Step:
        return self.steps[-1]

    def calibrators(self, sets: Sequence[str]) -> None:
        """Successive halving over calibrators and image sets, on more images in every rung."""
        kinds = [MAX, KL, *(f"{MAX}:{fraction}" for fraction in self._plan.percentiles)]
        self._runs.run("looking at sets", [observe_job(name, self.best.setting.graph) for name in sets])
        candidates = [replace(self.best.setting, images=name, calibrator=kind) for name in sets for kind in kinds]
        candidates += [self._capped(name, fraction) for name in sets for fraction in self._plan.percentiles]
        tried = len(candidates)
        for images in self._rungs:
            losses = self.losses("calibrators", candidates, images)
            order = sorted(range(len(candidates)), key=lambda i: (losses[i], i))
            candidates = [candidates[i] for i in order[: max(2, -(-len(candidates) // KEPT_OF_RUNG))]]
        self._take("calibrator and images", candidates, tried, WORTH)

    def _capped(self, images: str, fraction: float) -> Setting:
        """No saturation but at convolutions in 8 bits, which are capped at a percentile each."""
        setting = replace(self.best.setting, images=images, calibrator=MAX)
        tensors = sorted(clippable_tensors(base_subject(self._work.folder, images, setting.graph)))
        return replace(setting, limits=tuple((t, tensor_percentile(self._work, setting, t, fraction)) for t in tensors))

    def graph(self, name: str, what: str) -> None:
        """Takes another float graph (`name` in the folder) where it is better."""
        setting = replace(self.best.setting, graph=name)
        self._runs.run("looking at sets", [observe_job(setting.images, name)])
        self._take(what, [setting], 1, WORTH)

    def sensitivity(self, choices: Sequence[PrecisionGroup]) -> list[Unit]:
        """Each place alone: what its 8 bits lose, and what 16 bits or float gain for the worst; these come first."""
        images = self._rungs[0]
        losses = self._losses_of_rounding("each place alone in 8 bits", [choice.tensors for choice in choices])
        order = sorted(range(len(choices)), key=lambda i: (-losses[i], choices[i].node))
        looked_at = [choices[i] for i in order[: GAINS_PER_UNIT * self._plan.wide_units]]
        widened = [self.best.setting.with_wide(choice.tensors) for choice in looked_at]
        in_16 = self.losses("each place alone in 16 bits", [self.best.setting, *widened], images)
        everything = frozenset[str]().union(*(choice.tensors for choice in choices))
        rest = [everything - choice.tensors for choice in looked_at]
        in_float = self._losses_of_rounding("each place alone in float", [everything, *rest])
        nodes = [choice.node for choice in looked_at]
        gains_16, gains_float = (
            dict(zip(nodes, [first - loss for loss in others], strict=True)) for first, *others in (in_16, in_float)
        )
        return [
            Unit(
                node=choices[i].node,
                tensors=choices[i].tensors,
                op=self._kind_of(choices[i]),
                loss_alone=losses[i],
                gain_int16=gains_16.get(choices[i].node),
                gain_float=gains_float.get(choices[i].node),
                extra_cost=extra_cost(self._graph, choices[i].tensors),
            )
            for i in order
        ]

    def _losses_of_rounding(self, stage: str, groups: Sequence[frozenset[str]]) -> list[float]:
        """The loss of the float model with each of the groups of tensors in 8 bits."""
        base, images = replace(self.best.setting, limits=(), wide=()), range(self._rungs[0])
        found = self._runs.run(stage, [alone_job(base, group, images) for group in groups])
        reference = self._reference(len(images))
        return [loss(errors_from(result), reference) for result in found]

    def _kind_of(self, choice: PrecisionGroup) -> str:
        """The operations that make the place's tensors, such as "Conv + Table"."""
        makers = [node.op for node in self._graph.nodes if not choice.tensors.isdisjoint(node.outputs)]
        return " + ".join(dict.fromkeys(makers)) or "input"

    def thresholds(self, units: Sequence[Unit]) -> None:
        """One tensor after the other, the most sensitive first: other thresholds than the calibrator's."""
        setting, tried = self.best.setting, 0
        convs = clippable_tensors(base_subject(self._work.folder, setting.images, setting.graph))
        tensors = list(dict.fromkeys(name for unit in units for name in sorted(unit.tensors) if name in convs))
        least = self.losses("thresholds", [setting], self._rungs[1])[0]
        for tensor in tensors[: self._plan.limit_units]:
            limits = {tensor_percentile(self._work, setting, tensor, p) for p in self._plan.limit_percentiles}
            current = dict(setting.limits).get(tensor)
            options = [setting.with_limit(tensor, limit) for limit in sorted(limits) if limit != current]
            if not options:  # every percentile gives the limit that it has
                continue
            measured = self.losses("thresholds", options, self._rungs[1])
            tried += len(options)
            best = min(range(len(options)), key=lambda i: (measured[i], i))
            if measured[best] < WORTH * least:
                setting, least = options[best], measured[best]
        self._take("thresholds of single tensors", [setting], tried, WORTH)

    def widths(self, units: Sequence[Unit]) -> bool:
        """16 bits until the wish is met, for as little cost as may be; whether anything was taken.

        Errors of neighbouring places partly cancel, so that one place alone in 16 bits can be worse than none. The
        most sensitive places are therefore widened together first, more and more of them; of what met the wish, those
        places go back that were not needed. What is left to gain is then taken place by place.
        """
        before = len(self.steps)
        self._widen_together(units)
        self._widen_one_by_one(units)
        return len(self.steps) > before

    def _widen_together(self, units: Sequence[Unit]) -> None:
        stage = "16 bits together"
        prefixes = self._prefixes(units)
        if not prefixes:
            return
        candidates = self._front(prefixes, self.losses(stage, prefixes, self._rungs[1]))
        found = self.errors(stage, candidates)
        costs = [self._cost(setting) for setting in candidates]
        losses = [loss(one, self.untuned) for one in found]
        if not self.front:
            self.front = [
                self._step(f"{len(setting.wide)} tensors", setting, one, 1)
                for setting, one in zip(candidates, found, strict=True)
            ]
        reached = [i for i, one in enumerate(found) if worst(one, self.untuned) <= self._wishes.error_share]
        best = min(reached or range(len(found)), key=lambda i: (costs[i] if reached else losses[i], losses[i], i))
        if losses[best] > WORTH_WIDE * self.best.loss:
            return
        least = max(worst(found[best], self.untuned), self._wishes.error_share)
        setting, tried = self._prune_wide(candidates[best], units, least, losses[best], bool(reached))
        what = f"16 bits: {len(set(setting.wide) - set(self.best.setting.wide))} tensors together"
        self._take(what, [setting], len(prefixes) + tried, WORTH_WIDE)

    def _front(self, settings: Sequence[Setting], losses: Sequence[float]) -> list[Setting]:
        """Those that lose less than every cheaper one, from the cheapest on."""
        front: list[int] = []
        for i in sorted(range(len(settings)), key=lambda i: (self._cost(settings[i]), losses[i], i)):
            if not front or losses[i] < losses[front[-1]]:
                front.append(i)
        return [settings[i] for i in front]

    def _prefixes(self, units: Sequence[Unit]) -> list[Setting]:
        """The most sensitive places together: by what they lose alone, and by that for their cost.

        16 bits need no saturation, which costs most where objects are: the convolutions left in 8 bits are capped
        instead, where nothing is wide yet.
        """
        by_worth = sorted(units, key=lambda u: (-(u.loss_alone**2) / (u.extra_cost + SMALL_COST), u.node))
        best = self.best.setting
        bases = [best] if best.wide else [best, *(self._capped(best.images, f) for f in self._plan.percentiles)]
        found: dict[Setting, None] = {}
        for base in bases:
            for order in (units, by_worth):
                for count in (n for n in PREFIXES if n <= self._plan.wide_prefix):
                    setting = base.with_wide(frozenset[str]().union(*(unit.tensors for unit in order[:count])))
                    if setting.wide != best.wide and self._cost(setting) <= self._wishes.max_extra_cost:
                        found[setting] = None
        return list(found)

    def _prune_wide(
        self, setting: Setting, units: Sequence[Unit], most: float, most_loss: float, reached: bool
    ) -> tuple[Setting, int]:
        """`setting` with those places back in 8 bits that are not needed, the dearest first.

        Where the wish is `reached`, no output may get worse than `most`; otherwise the loss not than `most_loss`.
        """
        kept = [u for u in units if u.tensors <= set(setting.wide) and not u.tensors <= set(self.best.setting.wide)]
        tried = 0
        for unit in sorted(kept, key=lambda u: (-u.extra_cost, u.node))[: GAINS_PER_UNIT * self._plan.wide_units]:
            rest = [u for u in kept if u is not unit]
            tensors = frozenset[str](self.best.setting.wide).union(*(other.tensors for other in rest))
            narrower = replace(setting, wide=tuple(sorted(tensors)))
            if narrower.wide == setting.wide:
                continue
            tried += 1
            one = self.errors("16 bits together", [narrower])[0]
            if worst(one, self.untuned) <= most if reached else loss(one, self.untuned) <= most_loss:
                setting, kept = narrower, rest
        return setting, tried

    def _widen_one_by_one(self, units: Sequence[Unit]) -> None:
        for _ in range(self._plan.wide_steps):
            setting, least = self.best.setting, self.best.loss
            if self.best.worst <= self._wishes.error_share:
                break
            options = [u for u in units if not u.tensors <= set(setting.wide)]
            options = [u for u in options if self._cost(setting.with_wide(u.tensors)) <= self._wishes.max_extra_cost]
            options = options[: self._plan.wide_units]
            if not options:
                break
            widened = [setting.with_wide(unit.tensors) for unit in options]
            found = self.errors("16 bits", widened)
            gains = [least - loss(one, self.untuned) for one in found]
            if max(gains) <= (1 - WORTH_ONE) * least:
                break
            good = [k for k, gain in enumerate(gains) if gain >= MOST_GAIN * max(gains)]
            pick = max(
                good, key=lambda k: (gains[k] / (self._cost(widened[k]) - self.best.extra_cost + SMALL_COST), -k)
            )
            self.steps.append(self._step(f"16 bits: {options[pick].node}", widened[pick], found[pick], len(widened)))

    def finalists(self, count: int) -> list[Step]:
        """The best setting, and up to `count` - 1 of the front that are near enough to float, by their cost."""
        near = [step for step in self.front if step.worst <= THIRD_LESS and step.setting != self.best.setting]
        places = sorted({i * (len(near) - 1) // max(count - 2, 1) for i in range(count - 1)}) if near else []
        return sorted([*(near[i] for i in places), self.best], key=lambda step: step.extra_cost)

    def take(self, step: Step, what: str) -> Step:
        """Makes a step that was measured before the best one."""
        self.steps.append(replace(step, what=what))
        return self.best

    def _cost(self, setting: Setting) -> float:
        return extra_cost(self._graph, setting.wide)

    def tighten(self, factor: float) -> None:
        """Asks for less error than before."""
        self._wishes = replace(self._wishes, error_share=self._wishes.error_share * factor)

    def shifts(self) -> dict[str, Any]:
        """The mean difference of every output channel to the float model's, on all rung images."""
        result: dict[str, Any] = self._runs.run("biases", [shift_job(self.best.setting, range(self._rungs[-1]))])[0]
        return result

    def errors(self, stage: str, settings: Iterable[Setting], images: int | None = None) -> list[Errors]:
        """The settings' errors on the first `images` (all of the last rung)."""
        count = range(images or self._rungs[-1])
        return [errors_from(result) for result in self._runs.run(stage, [error_job(s, count) for s in settings])]

    def losses(self, stage: str, settings: Iterable[Setting], images: int | None = None) -> list[float]:
        """The same, as what the search brings down."""
        reference = self._reference(images or self._rungs[-1])
        return [loss(one, reference) for one in self.errors(stage, settings, images)]

    def _reference(self, images: int) -> Errors:
        return self.errors("untuned", [self._untuned], images)[0]

    def _take(self, what: str, settings: Sequence[Setting], tried: int, worth: float) -> None:
        """The best of `settings` becomes the next step, unless the last step is as good."""
        found = self.errors("last rung", settings)
        best = min(range(len(found)), key=lambda i: (loss(found[i], self.untuned), i))
        if loss(found[best], self.untuned) < worth * self.best.loss:
            self.steps.append(self._step(what, settings[best], found[best], tried))

    def _step(self, what: str, setting: Setting, found: Errors, tried: int) -> Step:
        return Step(
            what,
            setting,
            error=found.everywhere.mean,
            seen_error=found.seen.mean,
            loss=loss(found, self.untuned),
            worst=worst(found, self.untuned),
            extra_cost=extra_cost(self._graph, setting.wide),
            tried=tried,
        )

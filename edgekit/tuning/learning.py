"""Learning as a stage of the search: bounds, weights and biases, before any 16 bits are spent."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.data.image_source import ImageSource
from edgekit.files import atomic_path, is_file, read_json, sha256_file
from edgekit.graph.attention import attention_sums
from edgekit.learn.learned import PERCENTILE
from edgekit.ptq.calibrator import Calibrator
from edgekit.tuning.allocation import allocate_bits
from edgekit.tuning.candidate import LEARNED, Candidate
from edgekit.tuning.measurement import loss
from edgekit.tuning.search import SearchContext, SearchState, Stage
from edgekit.tuning.selection import choose_precision
from edgekit.tuning.tasks import ObserveSet
from edgekit.tuning.workspace import Workspace

__all__ = ["learning_notes", "learning_report", "stages_with_learning"]

LEARN_DIR, REPORT_NAME = "learn", "learn.json"
PERCENTILES = (PERCENTILE, 0.999995, 0.999998, None)  # that a learned build may be calibrated by


def stages_with_learning(
    stages: tuple[Stage, ...], free: frozenset[Stage], source: ImageSource, *, minutes: float, seed: int
) -> tuple[Stage, ...]:
    """Return the stages with learning behind the first one, and bit allocation by what each tensor costs.

    Args:
        stages: Those of a search without learning; the first one chooses calibrator and images.
        free: Those that try other float graphs and clip ranges; they are left out where something was learned.
        source: Unlabelled images.
        minutes: About how long to learn on two cores.
        seed: Of the learning.

    Returns:
        The stages of a search with learning.
    """
    learn = partial(learn_weights, source=source, minutes=minutes, seed=seed)
    replaced: dict[Stage, Stage] = {choose_precision: allocate_bits}
    rest = [partial(_unless_learned, stage) if stage in free else replaced.get(stage, stage) for stage in stages[1:]]
    return (stages[0], learn, *rest)


def learn_weights(
    context: SearchContext, state: SearchState, *, source: ImageSource, minutes: float, seed: int
) -> SearchState:
    """Learn towards the float model's outputs; keep what beats the untuned and the clipped build on held-out images.

    Args:
        context: What is searched with.
        state: The state so far.
        source: Unlabelled images.
        minutes: About how long on two cores.
        seed: Of the images' order and mirroring.

    Returns:
        The new state, or `state` itself.
    """
    from edgekit.learn.learned import learn

    workspace, calibration_set = context.workspace, context.untuned.calibration_set
    folder = workspace.folder / LEARN_DIR
    yaml = workspace.yaml(calibration_set)
    learned = learn(yaml, source, folder, minutes=minutes, seed=seed, progress=context.progress)
    if not learned.accepted:
        return state
    name = f"{LEARNED}_{sha256_file(learned.model)[:8]}"
    with atomic_path(workspace.graph_path(name)) as temporary:
        shutil.copyfile(learned.model, temporary)
    clip_ranges = tuple(sorted(learned.bounds.items()))
    sums = attention_sums(context.graph) if context.targets.max_extra_cost is not None else frozenset()
    candidates = [
        Candidate(calibration_set, Calibrator("max", percentile), name, clip_ranges).with_int16(sums)
        for percentile in PERCENTILES
    ]
    context.run("calibration sets", [ObserveSet(calibration_set, name)])
    measured, reference = context.measure("learned", candidates), context.reference()
    best = min(range(len(candidates)), key=lambda i: (loss(measured[i], reference), i))
    change = f"learned in {learned.report['done']} steps"
    return state.kept(context.step(change, candidates[best], measured[best], len(candidates)))


def is_learned(state: SearchState) -> bool:
    """Return whether the incumbent goes back to a learned candidate."""
    return any(step.candidate.graph.startswith(f"{LEARNED}_") for step in state.steps)


def learning_report(workspace: Workspace) -> Mapping[str, Any] | None:
    """Return what was learned from what, as the manifest has it; None where nothing was."""
    path: Path = workspace.folder / LEARN_DIR / REPORT_NAME
    if not is_file(path):
        return None
    report: Any = read_json(path)
    return {key: value for key, value in report.items() if key != "clips"}


def learning_notes(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what has to be said about a learning.

    Args:
        report: As `learning_report` gives it.
    """
    over = {name: ratio["value"] for name, ratio in report["learned_over"].items()}
    verdict = "taken" if report["accepted"] else "not taken: it does not beat both for sure"
    held_out = report["images"]["held_out"]
    note = (
        f"learning: {report['done']} of {report['steps']} steps ({report['ended']}); loss on {held_out} held-out "
        f"images {over['untuned']:.3f} of the untuned build's, {over['clips']:.3f} of Clips alone; {verdict}"
    )
    few = f"only {held_out} images were held out of the learning, 64 judge better: give more images with --images"
    return (note, few) if held_out < 64 else (note,)


def _unless_learned(stage: Stage, context: SearchContext, state: SearchState) -> SearchState:
    return state if is_learned(state) else stage(context, state)

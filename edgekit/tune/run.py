"""The whole tuning: sets and photos, the search, scores on labels or agreement, and the work folder that it chose."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConfigError, DataError
from edgekit.evaluate.bootstrap import RESAMPLES, Interval
from edgekit.evaluate.truth import load_truth
from edgekit.files import sha256_file, write_json
from edgekit.host.calibrate import calibrate
from edgekit.host.calibration.sources import Picture, open_source
from edgekit.host.compile import compile_work
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.subject import INT16_MARCHES
from edgekit.sim.compiler.wide import wide_choices
from edgekit.tune.cost import giga_macs
from edgekit.tune.figures import Errors, error_ratio, errors_from
from edgekit.tune.jobs import Jobs
from edgekit.tune.measure import built_job, score_job
from edgekit.tune.plan import Plan, plan_for
from edgekit.tune.search import Search, Wishes, biased_graph, equalized_graph
from edgekit.tune.setting import PLAIN, Setting
from edgekit.tune.steps import Scored, Step, Unit
from edgekit.tune.work import PHOTOS_NAME, SETS, Work, base_subject, write_float_heads, write_photos
from edgekit.tune.write import write_tuned
from edgekit.version import __version__

JOB = "edgekit.tune.measure:run_job"
SEARCH_DIR, TUNED_DIR = "search", "tuned"
REPORT_NAME, SENSITIVITY_NAME, STORE_NAME = "tune.json", "sensitivity.json", "jobs.jsonl"
DEFAULT_SET = ("diverse", 50)  # what `edgekit calibrate` chooses where nobody asks for anything
FEWEST_HELD_OUT = 8  # photos outside the calibration sets; with fewer, all are measured on
ERROR_SHARE = 0.6  # of the untuned error: below the third that is promised, so that other photos keep it
TIGHTER = 0.8  # per round, while what is kept is not enough yet
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found; `untuned` and `chosen` are scored on the tuning photos, never on others.

    `built`: the chosen setting's output errors measured on the build that its written folder gives; `ratios` those
    over the untuned default's, with paired intervals. `met`: whether every wish was reached.
    """

    yaml: Path
    plan: Plan
    steps: tuple[Step, ...]
    units: tuple[Unit, ...]
    untuned: Scored
    chosen: Scored
    built: Errors
    ratios: tuple[tuple[str, Interval], ...]
    met: bool
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "edgekit": __version__,
            "yaml": self.yaml.name,
            "plan": self.plan.to_dict(),
            "steps": [step.to_dict() for step in self.steps],
            "untuned": self.untuned.to_dict(),
            "chosen": self.chosen.to_dict(),
            "error_by_output": {
                name: {"error": round(float(error), 6), "over_untuned": ratio.to_dict()}
                for (name, ratio), error in zip(self.ratios, self.built.everywhere.by_output(), strict=True)
            },
            "disagreement_over_untuned": self.chosen.disagreement_over(self.untuned).to_dict(),
            "met": self.met,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _Task:
    """What was asked for, checked."""

    model: Path
    images: Path
    out: Path
    data: Path | None
    split: str
    images_dir: Path | None
    minutes: float
    retention: float
    max_extra_cost: float
    input_kind: str
    march: str
    seed: int
    notes: list[str] = field(default_factory=list)


def tune(
    model: Path,
    images: Path,
    out: Path,
    *,
    data: Path | None = None,
    split: str = "val",
    images_dir: Path | None = None,
    minutes: float = 30,
    retention: float = 0.99,
    max_extra_cost: float = 0.25,
    input_kind: str = "nv12",
    march: str = "bayes-e",
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Tuned:
    """Finds the cheapest setting that keeps `retention` of every metric, and writes `out`/tuned for any compiler.

    `images`: photos for calibration, as `calibrate` takes them; `data`: labelled photos to measure on, without which
    agreement with the float model is measured. A second call goes on where the first was interrupted. Raises
    EdgekitError kinds for what does not fit, before the search begins.
    """
    task = _Task(
        Path(model),
        Path(images),
        Path(out),
        Path(data) if data else None,
        split,
        Path(images_dir) if images_dir else None,
        minutes,
        retention,
        max_extra_cost,
        input_kind,
        march,
        seed,
    )
    _check_wishes(task)
    work = Work(task.out / SEARCH_DIR)
    default = _make_set(task, work, *DEFAULT_SET, progress)
    graph = base_subject(work.folder, default, PLAIN).graph
    choices = wide_choices(graph, base_subject(work.folder, default, PLAIN).plan)
    plan = plan_for(task.minutes, giga_macs=giga_macs(graph), units=len(choices))
    sets = list(dict.fromkeys([default, *(_make_set(task, work, how, num, progress) for how, num in plan.sets)]))
    held_out = _choose_photos(task, work, sets, plan)
    write_float_heads(work, base_subject(work.folder, default, PLAIN).job.onnx_path, held_out, progress=progress)
    untuned = _untuned(work, default, progress)
    shared = _shared(task, work)
    with Jobs(
        JOB,
        shared,
        work.folder / STORE_NAME,
        workers=workers or os.cpu_count() or 1,
        scheduler=scheduler,
        progress=progress,
    ) as jobs:
        wishes = Wishes(ERROR_SHARE, task.max_extra_cost if task.march in INT16_MARCHES else 0.0)
        search = Search(work, jobs, plan, held_out, untuned, wishes)
        search.calibrators(sets)
        if equalized := equalized_graph(work, default, "equalized"):
            search.graph("equalized", f"cross-layer equalization of {len(equalized)} tensors")
        units = search.sensitivity(choices)
        first = _scored(jobs, search.steps[0], plan)
        search.thresholds(units)
        chosen, met = _until_kept(task, search, units, jobs, plan, first)
        chosen = _with_biases(work, search, jobs, plan, chosen, first)
        yaml = write_tuned(work, chosen.step.setting, task.out / TUNED_DIR)
        build = compile_work(yaml, toolchain="sim", progress=progress)
        built = errors_from(jobs.run("as written", [built_job(build.quantized_path, range(held_out))])[0])
    tuned = Tuned(
        yaml,
        plan,
        tuple(search.steps),
        tuple(units),
        first,
        chosen,
        built,
        tuple(error_ratio(built.everywhere, search.untuned.everywhere, seed=task.seed)),
        met,
        tuple(task.notes),
    )
    write_json(task.out / TUNED_DIR / SENSITIVITY_NAME, sensitivity_to_dict(tuned))
    write_json(task.out / TUNED_DIR / REPORT_NAME, tuned.to_dict())
    return tuned


def sensitivity_to_dict(tuned: Tuned) -> dict[str, Any]:
    """The sensitivity of every place, as `edgekit report` joins it to the build's page."""
    wide = set(tuned.chosen.step.setting.wide)
    return {
        "measure": "relative RMS errors of the outputs over the untuned build's",
        "baseline": {"int8": round(tuned.steps[0].loss, 6), "tuned": round(tuned.chosen.step.loss, 6)},
        "nodes": [
            {
                "node": unit.node,
                "tensors": sorted(unit.tensors),
                "op": unit.op,
                "loss_alone": round(unit.loss_alone, 6),
                "gain_int16": None if unit.gain_int16 is None else round(unit.gain_int16, 6),
                "gain_float": None if unit.gain_float is None else round(unit.gain_float, 6),
                "extra_cost": round(unit.extra_cost, 6),
                "chosen": "int16" if unit.tensors <= wide else "",
            }
            for unit in tuned.units
        ],
    }


def _check_wishes(task: _Task) -> None:
    if not 0 < task.retention <= 1:
        raise ConfigError(
            f"--retention is {task.retention:g}, expected a share above 0 and up to 1", hint="0.99 keeps 99 %"
        )
    if not 0 <= task.max_extra_cost <= 10:
        raise ConfigError(
            f"--max-extra-cost is {task.max_extra_cost:g}, expected 0 (int8 alone) to 10", hint="0.25 is a quarter"
        )
    if task.minutes <= 0:
        raise ConfigError(f"--budget is {task.minutes:g} minutes, expected more than 0", hint="30 is usual")
    if task.march not in INT16_MARCHES and task.max_extra_cost > 0:
        task.notes.append(f"march {task.march} computes in int8 alone: no 16 bits were tried")


def _make_set(task: _Task, work: Work, how: str, num: int, progress: Progress) -> str:
    """A calibration set of the folder; its name. One that has fewer photos than asked for is named by what it has."""
    name = f"{how}_{num}"
    calibrate(
        task.model,
        task.images,
        work.folder / SETS / name,
        num=num,
        select=how,
        input_kind=task.input_kind,
        march=task.march,
        seed=task.seed,
        images_dir=task.images_dir if task.images.suffix == ".json" else None,
        progress=progress,
    )
    return name


def _choose_photos(task: _Task, work: Work, sets: Sequence[str], plan: Plan) -> int:
    """Records the photos to measure on, those of no calibration set first; how many the rungs may use."""
    if task.data is not None:
        truth = load_truth(task.data, split=task.split, images_dir=task.images_dir)
        pictures = [Picture(photo.path, photo.path.name) for photo in truth.photos]
    else:
        task.notes.append("no labels were given: settings were chosen by their agreement with the float model")
        frames = plan.rungs[-1] * 2
        pictures = list(open_source(task.images, frames=frames, images_dir=task.images_dir).pictures)
    used = {(path.resolve(), frame) for name in sets for path, frame in _calibrated_with(work, name)}
    order = [pictures[i] for i in np.random.default_rng(task.seed).permutation(len(pictures))]
    fresh = [p for p in order if (p.path.resolve(), p.frame) not in used]
    rest = [p for p in order if (p.path.resolve(), p.frame) in used]
    if not pictures:
        raise DataError("there is no photo to measure settings on", hint="give labelled photos with --data")
    if len(fresh) < FEWEST_HELD_OUT and rest:
        task.notes.append(f"only {len(fresh)} photos are outside the calibration sets: settings were measured on those")
        task.notes[-1] += " that calibrate, too; give more photos"
        fresh, rest = order, []
    write_photos(work, [*fresh, *rest])
    return min(len(fresh), plan.rungs[-1])


def _calibrated_with(work: Work, name: str) -> list[tuple[Path, int]]:
    """The pictures of a set, from its manifest."""
    from edgekit.files import read_json

    manifest: Any = read_json(work.yaml(name).parent / "manifest.json")
    return [(Path(one["path"]), int(one["frame"])) for one in manifest["selection"]["chosen"]]


def _untuned(work: Work, default: str, progress: Progress) -> Setting:
    """What `edgekit compile` makes of the default yaml: its own choice of method."""
    build = compile_work(work.yaml(default), toolchain="sim", progress=progress)
    method = next(note for note in build.notes if note.startswith("calibration: "))
    return Setting(default, calibrator_from(method.removeprefix("calibration: ").rpartition(",")[0]))


def calibrator_from(method: str) -> str:
    """The setting's word for a method as the compilers' logs name it, such as "max-percentile:percentile=0.9999"."""
    name, _, value = method.partition("=")
    if name.startswith("max-percentile"):
        return f"max:{value}"
    return name.partition(":")[0]


def _shared(task: _Task, work: Work) -> dict[str, Any]:
    """What every job needs, and what its result depends on besides the job itself."""
    return {
        "folder": str(work.folder.resolve()),
        "model": sha256_file(task.model),
        "photos": sha256_file(work.folder / PHOTOS_NAME),
        "data": str(task.data.resolve()) if task.data else None,
        "split": task.split,
        "images_dir": str(task.images_dir.resolve()) if task.images_dir else None,
        "resamples": RESAMPLES,
        "input": task.input_kind,
        "march": task.march,
    }


def _scored(jobs: Jobs, step: Step, plan: Plan) -> Scored:
    return Scored(step, jobs.run("scores", [score_job(step.setting, plan.scored_photos)])[0])


def _until_kept(
    task: _Task, search: Search, units: Sequence[Unit], jobs: Jobs, plan: Plan, first: Scored
) -> tuple[Scored, bool]:
    """Adds 16 bits until every wish is met, or nothing is left to add; the last scored step, and whether."""
    search.widths(units)
    scored = _scored(jobs, search.best, plan)
    for _ in range(ROUNDS):
        if _is_met(task, scored, first):
            return scored, True
        search.tighten(TIGHTER)
        if not search.widths(units):
            break
        scored = _scored(jobs, search.best, plan)
    return scored, _is_met(task, scored, first)


def _is_met(task: _Task, scored: Scored, first: Scored) -> bool:
    """Every metric kept, and a third less disagreement than untuned; without labels the agreement decides alone."""
    kept = all(value >= task.retention for value in scored.kept.values())
    lost, lost_before = scored.disagreement, first.disagreement
    agrees = np.isnan(lost) or lost <= max(1 - task.retention if not scored.kept else 0.0, lost_before * 2 / 3)
    return bool(kept and agrees)


def _with_biases(work: Work, search: Search, jobs: Jobs, plan: Plan, chosen: Scored, first: Scored) -> Scored:
    """The chosen setting with its outputs' mean shifts taken back, where that is better."""
    setting = chosen.step.setting
    name = f"biased_{setting.key}"
    biased_graph(work, setting, search.shifts(), name)
    before = len(search.steps)
    search.graph(name, "bias correction of the outputs")
    if len(search.steps) == before:
        return chosen
    better = _scored(jobs, search.best, plan)
    worse = any(better.kept[kind] < chosen.kept[kind] - 0.002 for kind in chosen.kept)
    if worse or better.disagreement > chosen.disagreement * 1.1:
        search.steps.pop()
        return chosen
    return better

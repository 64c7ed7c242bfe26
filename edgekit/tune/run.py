"""The whole tuning: sets and images, the search, scores on labels or agreement, and the work folder that it chose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edgekit.compile.build import compile_model
from edgekit.errors import OutputError
from edgekit.evaluate.bootstrap import RESAMPLES
from edgekit.files import is_folder, sha256_file, write_json
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.mixed_precision import precision_groups
from edgekit.sim.compiler.prepared_model import INT16_MARCHES
from edgekit.tune.candidate import PLAIN
from edgekit.tune.cost import giga_macs
from edgekit.tune.jobs import Jobs
from edgekit.tune.measure import built_job
from edgekit.tune.output_error import error_ratio, errors_from
from edgekit.tune.prepare import Task, check_wishes, choose_images, make_set, untuned_setting
from edgekit.tune.records import Scored
from edgekit.tune.report import Tuned, sensitivity_to_dict
from edgekit.tune.search import Search, Wishes
from edgekit.tune.selection import choose, scored
from edgekit.tune.time_budget import Plan, plan_for
from edgekit.tune.variants import biased_graph, corrected_graph, equalized_graph
from edgekit.tune.workspace import IMAGES_NAME, Work, base_subject, write_float_heads
from edgekit.tune.write import write_tuned

JOB = "edgekit.tune.measure:run_job"
SEARCH_DIR, TUNED_DIR = "search", "tuned"
REPORT_NAME, SENSITIVITY_NAME, STORE_NAME = "tune.json", "sensitivity.json", "jobs.jsonl"
DEFAULT_SET = ("diverse", 50)  # what `edgekit calibrate` chooses where nobody asks for anything
ERROR_SHARE = 0.5  # of the untuned error: more than the third less that is promised, so that other images keep it


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

    `images`: images for calibration, as `calibrate` takes them; `data`: labelled images to measure on, without which
    agreement with the float model is measured. A second call goes on where the first was interrupted. Raises
    EdgekitError kinds for what does not fit, before the search begins.
    """
    task = Task(
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
    check_wishes(task)
    _refuse_others(task.out)
    work = Work(task.out / SEARCH_DIR)
    default = make_set(task, work, *DEFAULT_SET, progress)
    graph = base_subject(work.folder, default, PLAIN).graph
    choices = precision_groups(graph, base_subject(work.folder, default, PLAIN).plan)
    plan = plan_for(task.minutes, giga_macs=giga_macs(graph), units=len(choices))
    sets = list(dict.fromkeys([default, *(make_set(task, work, how, num, progress) for how, num in plan.sets)]))
    held_out = choose_images(task, work, sets, plan)
    write_float_heads(work, base_subject(work.folder, default, PLAIN).job.onnx_path, held_out, progress=progress)
    untuned = untuned_setting(work, default, progress)
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
        name = f"{search.best.setting.graph}_{search.best.setting.images}_corrected"
        if corrected := corrected_graph(work, search.best.setting, name, progress=progress):
            search.graph(name, f"bias correction of {corrected} convolutions")
        units = search.sensitivity(choices)
        search.thresholds(units)
        first = scored(jobs, plan, search.steps[:1])[0]
        chosen, met = choose(search, units, jobs, plan, first, task.retention)
        chosen = _with_biases(work, search, jobs, plan, chosen)
        yaml = write_tuned(work, chosen.step.setting, task.out / TUNED_DIR)
        build = compile_model(yaml, toolchain="sim", progress=progress)
        built = errors_from(jobs.run("as written", [built_job(build.quantized_path, range(held_out))])[0])
    tuned = Tuned(
        yaml=yaml,
        plan=plan,
        steps=tuple(search.steps),
        front=tuple(search.front),
        units=tuple(units),
        untuned=first,
        chosen=chosen,
        built=built,
        ratios=tuple(error_ratio(built.everywhere, search.untuned.everywhere, seed=task.seed)),
        met=met,
        notes=tuple(task.notes),
    )
    write_json(task.out / TUNED_DIR / SENSITIVITY_NAME, sensitivity_to_dict(tuned))
    write_json(task.out / TUNED_DIR / REPORT_NAME, tuned.to_dict())
    return tuned


def _refuse_others(out: Path) -> None:
    """Raise OutputError where a folder lies in the place of the tuned one that no tuning wrote."""
    tuned = out / TUNED_DIR
    if os.path.lexists(tuned) and not is_folder(out / SEARCH_DIR):
        raise OutputError(
            f"{tuned} exists already, and {out} holds no earlier tuning", hint="choose another folder with -o"
        )


def _shared(task: Task, work: Work) -> dict[str, Any]:
    """What every job needs, and what its result depends on besides the job itself."""
    return {
        "folder": str(work.folder.resolve()),
        "model": sha256_file(task.model),
        "images": sha256_file(work.folder / IMAGES_NAME),
        "data": str(task.data.resolve()) if task.data else None,
        "split": task.split,
        "images_dir": str(task.images_dir.resolve()) if task.images_dir else None,
        "resamples": RESAMPLES,
        "input": task.input_kind,
        "march": task.march,
    }


def _with_biases(work: Work, search: Search, jobs: Jobs, plan: Plan, chosen: Scored) -> Scored:
    """The chosen setting with its outputs' mean shifts taken back, where that is better."""
    setting = chosen.step.setting
    name = f"biased_{setting.key}"
    biased_graph(work, setting, search.shifts(), name)
    before = len(search.steps)
    search.graph(name, "bias correction of the outputs")
    if len(search.steps) == before:
        return chosen
    better = scored(jobs, plan, [search.best])[0]
    worse = any(better.kept[kind] < chosen.kept[kind] - 0.002 for kind in chosen.kept)
    if worse or better.disagreement > chosen.disagreement * 1.1:
        search.steps.pop()
        return chosen
    return better

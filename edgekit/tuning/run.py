"""The whole tuning: a workspace, the stages of the search, and the work folder that it chose."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.compilation.build import compile_model
from edgekit.cores import cores
from edgekit.errors import OutputError
from edgekit.evaluation.bootstrap import RESAMPLES
from edgekit.files import is_folder, sha256_file, write_json
from edgekit.progress import Progress, silent
from edgekit.sim.compiler.mixed_precision import outputs_for_int16
from edgekit.tuning.allocation import learned_share
from edgekit.tuning.candidate import PLAIN
from edgekit.tuning.learning import is_learned, learning_notes, learning_report, stages_with_learning
from edgekit.tuning.measurement import error_intervals, measurement_from_json
from edgekit.tuning.options import TuneOptions, check_options
from edgekit.tuning.page import PAGE_NAME, write_tune_page
from edgekit.tuning.prepare import Prepared, learning_source, prepare
from edgekit.tuning.price import limit_share, make_price, most_share
from edgekit.tuning.prove import FrameCompiler, require_compiler
from edgekit.tuning.proved_choice import COMPILED, ProvedChoice, choose_proved
from edgekit.tuning.report import TuneResult, sensitivity_json
from edgekit.tuning.search import SearchContext, SearchState, Stage, Targets, run_stages, start_search
from edgekit.tuning.stages import FREE_STAGES, STAGES, TIMED_STAGES
from edgekit.tuning.tasks import MeasureBuild
from edgekit.tuning.write import write_tuned
from edgekit.workers import MemoizedRunner, open_workers

__all__ = ["tune"]

SEARCH_DIR, TUNED_DIR, PROOF_DIR = "search", "tuned", "proof"
REPORT_NAME, SENSITIVITY_NAME, RESULTS_NAME = "tune.json", "sensitivity.json", "results.jsonl"
ERROR_RATIO = 0.5  # of the untuned error: less than the 2/3 that is promised, so that other images reach those, too
DEFAULT_OPTIONS = TuneOptions()


def tune(
    model: Path,
    images: Path,
    output: Path,
    options: TuneOptions = DEFAULT_OPTIONS,
    *,
    progress: Progress = silent,
) -> TuneResult:
    """Find the cheapest candidate that keeps the accuracy, and write `output`/tuned for any compiler.

    A second call with the same options resumes a run that was interrupted.

    Args:
        model: A stock export, or a cut model.
        images: Images to calibrate with, as `calibrate` takes them.
        output: Folder of the search and of what it finds.
        options: What is to be reached, on what, and where it runs.
        progress: Called with stage, done and total.

    Returns:
        What was found.

    Raises:
        EdgekitError: For options, models, images and labels that do not fit, before the search begins.
    """
    notes = check_options(options)
    if options.prove:
        require_compiler()
    _refuse_foreign(output)
    prepared = prepare(Path(model), Path(images), output / SEARCH_DIR, options, progress)
    workers = open_workers(*_workers(options), paths=_paths(prepared, options))
    about = _about(prepared, options)
    with MemoizedRunner(output / SEARCH_DIR / RESULTS_NAME, about, workers, progress=progress) as runner:
        context = _context(prepared, runner, options, progress)
        stages = _stages(Path(images), options)
        state = run_stages(context, start_search(context), stages[:-TIMED_STAGES])
        compiler = FrameCompiler(prepared.workspace, output / PROOF_DIR, COMPILED, progress)
        state, time_notes = _choose(context, state, stages[-TIMED_STAGES:], compiler, options)
        result = _written(context, state, output / TUNED_DIR, options, (*notes, *prepared.notes, *time_notes))
    result = replace(result, proofs=tuple(compiler.proofs))
    write_json(output / TUNED_DIR / SENSITIVITY_NAME, sensitivity_json(result))
    write_json(output / TUNED_DIR / REPORT_NAME, result.to_json())
    write_tune_page(output / TUNED_DIR / PAGE_NAME, result, prepared, progress=progress)
    return result


def _refuse_foreign(output: Path) -> None:
    """Raise OutputError if a folder that no tuning wrote lies where the tuned one goes."""
    tuned = output / TUNED_DIR
    if os.path.lexists(tuned) and not is_folder(output / SEARCH_DIR):
        raise OutputError(
            f"{tuned} exists already, and {output} holds no earlier tuning", hint="choose another folder with -o"
        )


def _workers(options: TuneOptions) -> tuple[int | None, str | None]:
    """Return the number of processes, one per core unless the options say otherwise, and the scheduler."""
    if options.scheduler is not None:
        return options.workers, options.scheduler
    return options.workers if options.workers is not None else cores(), None


def _paths(prepared: Prepared, options: TuneOptions) -> list[Path]:
    return [path for path in (prepared.workspace.folder, options.data, options.images_dir) if path is not None]


def _about(prepared: Prepared, options: TuneOptions) -> Mapping[str, Any]:
    """Return what every result depends on besides its task."""
    workspace = prepared.workspace
    return {
        "model": sha256_file(workspace.job(prepared.calibration_sets[0]).onnx_path),
        "images": workspace.fingerprint(),
        "data": str(options.data.resolve()) if options.data else None,
        "split": options.split,
        "images_dir": str(options.images_dir.resolve()) if options.images_dir else None,
        "resamples": RESAMPLES,
        "input": options.input_kind,
        "march": options.march,
    }


def _context(prepared: Prepared, runner: MemoizedRunner, options: TuneOptions, progress: Progress) -> SearchContext:
    workspace, default = prepared.workspace, prepared.calibration_sets[0]
    int8 = compile_model(workspace.yaml(default), toolchain="sim", progress=progress)
    graph = workspace.model(default, PLAIN).graph
    price = make_price(options.march, int8.quantized_path, graph)
    outputs = outputs_for_int16(graph) if options.allows_int16 else frozenset()
    most = most_share(
        price,
        outputs,
        max_extra_cost=options.max_extra_cost,
        max_extra_ms=options.max_extra_ms,
        fps=options.fps,
    )
    max_extra_cost = most if options.allows_int16 else None
    return SearchContext(
        workspace=prepared.workspace,
        runner=runner,
        plan=prepared.plan,
        targets=Targets(ERROR_RATIO, max_extra_cost, options.retention),
        price=price,
        untuned=prepared.untuned,
        calibration_sets=prepared.calibration_sets,
        choices=prepared.choices,
        images=prepared.images,
        outputs=outputs,
        progress=progress,
    )


def _stages(images: Path, options: TuneOptions) -> tuple[Stage, ...]:
    if options.learn is None:
        return STAGES
    source = learning_source(images, options)
    return stages_with_learning(STAGES, FREE_STAGES, source, minutes=options.learn, seed=options.seed)


def _choose(
    context: SearchContext,
    state: SearchState,
    stages: Sequence[Stage],
    compiler: FrameCompiler,
    options: TuneOptions,
) -> tuple[SearchState, tuple[str, ...]]:
    """Run the stages that spend time, once by the estimate, or by what the vendor's compiler says; and notes on it."""
    if not options.prove:
        chosen = run_stages(context, state, stages)
        return chosen, _time_notes(context, chosen)
    limits = partial(
        limit_share,
        max_extra_cost=options.max_extra_cost,
        max_extra_ms=options.max_extra_ms,
        fps=options.fps,
    )
    choice = choose_proved(
        context, partial(run_stages, state=state, stages=stages), compiler, untuned=state.steps[0], limit_share=limits
    )
    return choice.state, _proof_notes(choice)


def _proof_notes(choice: ProvedChoice) -> tuple[str, ...]:
    """Say that the compiled frame is longer than allowed."""
    if choice.fits:
        return ()
    return (
        f"the compiled frame takes {100 * choice.extra:+.1f} % over the untuned one, {100 * choice.most:+.1f} % is "
        "allowed: it is the shortest that was compiled",
    )


def _time_notes(context: SearchContext, state: SearchState) -> tuple[str, ...]:
    """Say that the frame is longer than allowed, or why nothing inside has 16 bits where there was time for it."""
    most, incumbent = context.targets.max_extra_cost, state.incumbent
    if most is None:
        return ()  # the BPU has no 16 bits
    if most < 0 and incumbent.extra_cost > most and incumbent.milliseconds is not None:
        return (
            f"the frame takes {incumbent.milliseconds:.2f} ms by the estimate, longer than --fps allows: outputs in 16 "
            "bits would be short enough, but lose accuracy",
        )
    if context.limit(incumbent.candidate) > -math.inf:
        return ()
    percent = 100 * context.price.fixed_cost
    return (
        "no layer inside was promoted to 16 bits: the time that is left for that is less than the first of them may "
        f"cost, {percent:.0f} % of the frame; allow more with --max-extra-cost, --max-extra-ms or --fps",
    )


def _written(
    context: SearchContext, state: SearchState, folder: Path, options: TuneOptions, notes: tuple[str, ...]
) -> TuneResult:
    """Write the chosen candidate and measure the build of what was written."""
    assert state.untuned is not None and state.chosen is not None, "the precision was chosen"
    learned = learning_report(context.workspace) if options.learn is not None else None
    provenance = {"learned": {**learned, "weights": learned_share(state)}} if learned and is_learned(state) else {}
    yaml = write_tuned(context.workspace, state.chosen.step.candidate, folder, provenance)
    build = compile_model(yaml, toolchain="sim", progress=context.progress)
    task = MeasureBuild(build.quantized_path, sha256_file(build.quantized_path), context.images)
    built = measurement_from_json(context.run("as written", [task])[0])
    return TuneResult(
        yaml=yaml,
        plan=context.plan,
        steps=state.steps,
        front=state.front,
        points=state.points,
        untuned=state.untuned,
        chosen=state.chosen,
        built=built,
        ratios=tuple(error_intervals(built.everywhere, context.reference().everywhere, seed=options.seed)),
        targets_met=state.targets_met,
        notes=(*notes, *(learning_notes(learned) if learned else ())),
        learned=learned,
        trials=state.trials,
        band=context.price.band,
    )

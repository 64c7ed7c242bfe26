"""From a stock ONNX and images to a work folder that a compiler takes: cut model, calibration data, yaml, manifest."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifacts import MANIFEST_NAME
from edgekit.calibration.calibration_set import CalibrationSet as CalibrationSet
from edgekit.calibration.checks import Warned, check_selection
from edgekit.calibration.heads import heads_of, model_hash, require_channels, write_heads
from edgekit.calibration.manifest import build_manifest
from edgekit.calibration.nv12_colors import is_limited_to_nv12
from edgekit.calibration.refinement import GraphRefinement
from edgekit.calibration.sample_set import SampleOptions, calibrate_samples, needs_samples
from edgekit.calibration.select import SELECTIONS, select_images
from edgekit.calibration.work_files import WorkPlan, all_as_recorded, refuse_unexpected_files, write_yaml
from edgekit.calibration.workdir import Work, open_work
from edgekit.calibration.write import plan_files, remove_leftovers, write_files
from edgekit.data.image_source import ImageSource, open_source
from edgekit.errors import ConfigError, OutputError
from edgekit.folder_lock import folder_lock
from edgekit.progress import Progress, silent
from edgekit.ptq.fields import HB_MAPPER_MARCHES
from edgekit.ptq.presets import CALIBRATION_DIR, output_prefix, ptq_config
from edgekit.spec import InputKind, InputSpec, March, ModelSpec
from edgekit.version import __version__

if TYPE_CHECKING:
    import onnx

    from edgekit.export import CutOptions

IMAGE_KINDS: tuple[InputKind, ...] = ("nv12", "rgb", "bgr", "yuv444", "gray")
CANDIDATES_PER_PICK = 8  # frames of a video to choose each image from


def calibrate(
    model: Path,
    source: Path,
    out_dir: Path,
    *,
    num: int = 50,
    select: str = "diverse",
    input_kind: InputKind = "nv12",
    march: March = "bayes-e",
    calibration: str = "default",
    max_percentile: float | None = None,
    seed: int = 0,
    images_dir: Path | None = None,
    refinement: GraphRefinement | None = None,
    cut_options: CutOptions | None = None,
    progress: Progress = silent,
) -> CalibrationSet:
    """Write a calibration work folder: the cut model, calibration files, the PTQ yaml and a manifest.

    The same call gives the same bytes. On an unfinished folder of the same call it resumes.

    Args:
        model: A stock export or a cut model with its sidecar.
        source: What `edgekit.data.open_source` takes; for a model that takes more than one image or none, what
            `edgekit.runtime.array_source.open_samples` takes.
        out_dir: A new or empty folder, or an unfinished one of the same call.
        num: Number of images; fewer if the source has not as many different ones.
        select: "diverse" (spread over brightness, color, texture and layout), "random" or "first".
        input_kind: What the board feeds: "nv12", "rgb", "bgr", "yuv444" or "gray".
        march: "bayes-e", "bayes" or "bernoulli2".
        calibration: `calibration_type` of the yaml: "default", "max", "kl", "mix" or "skip".
        max_percentile: Percentile of "max", 0..1; None is the toolchain's own.
        seed: Of random selection and of sampling very large sources.
        images_dir: Where the images of a COCO JSON lie.
        refinement: What is done to the float graph besides cutting it; None for nothing.
        cut_options: What nothing in the file says: the task, and how the model takes its images; None for a YOLO.
        progress: Called with each stage.

    Returns:
        What was chosen and written, with warnings about the images.

    Raises:
        ModelError: The model cannot be cut.
        DataError: The source has no images.
        ConfigError: An option is out of range.
        OutputError: The folder holds something else, or cannot be written.
    """
    model, source, out_dir = Path(model), Path(source), Path(out_dir)
    _check_options(select, input_kind, march)
    if needs_samples(model, cut_options):
        options = SampleOptions(num, select, input_kind, march, calibration, max_percentile, seed)
        return calibrate_samples(model, source, out_dir, options, cut_options, refinement, progress)
    frames = num if select == "first" else num * CANDIDATES_PER_PICK
    opened = open_source(source, frames=frames, images_dir=images_dir)
    request = {
        "edgekit": __version__,
        "model": model.name,
        "model_sha256": model_hash(model),
        "source": str(source),
        "source_fingerprint": opened.fingerprint(),
        "images_dir": str(images_dir) if images_dir else None,
        "num": num,
        "select": select,
        "input": input_kind,
        "march": march,
        "calibration": calibration,
        "max_percentile": max_percentile,
        "seed": seed,
        **(refinement.to_json() if refinement else {}),
        **_cut_request(cut_options),
    }
    with folder_lock(out_dir, "calibrate"):
        work = open_work(out_dir, request)
        heads, spec = heads_of(model, progress, cut_options)
        plan = _plan(model, heads, spec, input_kind, march, calibration, max_percentile)
        if _is_finished(work):
            return _result(work, plan, opened, refinement, reused=True)
        if work.selection is None:  # nothing is written before this is known
            work.selection = select_images(opened, num=num, how=select, seed=seed, progress=progress)
        _write_all(work, plan, heads, opened, refinement, progress)
        return _result(work, plan, opened, refinement, reused=False)


def _cut_request(options: CutOptions | None) -> dict[str, Any]:
    """What of the cut's options decides the calibration set, for the manifest; nothing where there are none."""
    if options is None or not (options.task or options.inputs):
        return {}
    return {"task": options.task, "preprocess": options.inputs.to_json()}


def _check_options(select: str, input_kind: str, march: str) -> None:
    legal = {
        "select": (select, SELECTIONS),
        "input": (input_kind, IMAGE_KINDS),
        "march": (march, HB_MAPPER_MARCHES),
    }
    for name, (value, values) in legal.items():
        if value not in values:
            hint = "the S series (nash) has another compiler, hb_compile" if name == "march" else f"see --{name}"
            raise ConfigError(f"{name} is {value!r}, expected one of {', '.join(values)}", hint=hint)


def _plan(
    model: Path,
    heads: onnx.ModelProto,
    spec: ModelSpec,
    input_kind: InputKind,
    march: March,
    calibration: str,
    max_percentile: float | None,
) -> WorkPlan:
    require_channels(spec, input_kind)
    stem = re.sub(r"[-_](heads|cut)$", "", model.stem)
    prefix = output_prefix(stem, march, spec.preprocess.size_wh, input_kind)
    config = ptq_config(
        onnx_model=f"{stem}_heads.onnx",
        prefix=prefix,
        march=march,
        input_kind=input_kind,
        size_wh=spec.preprocess.size_wh,
        input_name=spec.input.name,
        train_type=spec.input.kind,
        calibration=calibration,
        max_percentile=max_percentile,
        mean=spec.preprocess.mean,
        scale=spec.preprocess.scale,
        batch=spec.input.batch,
        softmax_on_bpu=any(node.op_type == "Softmax" for node in heads.graph.node),
    )
    return WorkPlan(f"{stem}_heads.onnx", f"{prefix}.yaml", config, spec)


def _write_all(
    work: Work,
    plan: WorkPlan,
    heads: onnx.ModelProto,
    opened: ImageSource,
    refinement: GraphRefinement | None,
    progress: Progress,
) -> None:
    """Model, sidecar, data, yaml, then the manifest: it stands for a whole folder."""
    assert work.selection is not None
    folder, selection = work.folder, work.selection
    planned = plan_files([item.image for item in selection.chosen], plan.spec.input.kind)
    input_spec = InputSpec(plan.spec.input.name, plan.spec.input.kind, "NCHW")
    work.save()
    remove_leftovers(folder)
    remove_leftovers(folder / CALIBRATION_DIR)
    write_heads(folder / plan.model_name, heads, plan.spec)
    try:
        hashes = write_files(
            planned,
            folder / CALIBRATION_DIR,
            input_spec,
            plan.spec.preprocess,
            nv12=is_limited_to_nv12(plan.config.inputs[0]),
            written=work.written,
            on_written=work.note_written,
            progress=progress,
        )
    except BaseException:  # Ctrl-C too: what is written need not be written again
        with contextlib.suppress(OutputError):
            work.save()
        raise
    refuse_unexpected_files(folder / CALIBRATION_DIR, {p.name for p in planned})
    write_yaml(folder, plan)
    if refinement is not None and refinement.changes:
        refined = refinement.apply(folder / plan.yaml_name, progress=progress)
        write_heads(folder / plan.model_name, refined, plan.spec)
    work.finish(
        build_manifest(
            request=work.request,
            selection=selection,
            warnings=_warnings(work, plan),
            notes=opened.notes,
            folder=folder,
            models=plan.model_files,
            data_dir=CALIBRATION_DIR,
            planned=planned,
            hashes=hashes,
            input_spec=input_spec,
            preprocess=plan.spec.preprocess,
        )
    )


def _is_finished(work: Work) -> bool:
    if not all_as_recorded(work.folder):
        return False
    refuse_unexpected_files(work.folder / CALIBRATION_DIR, set(work.written))
    return True


def _warnings(work: Work, plan: WorkPlan) -> tuple[Warned, ...]:
    assert work.selection is not None
    return check_selection(work.selection, num=int(work.request["num"]), size_wh=plan.spec.preprocess.size_wh)


def _result(
    work: Work, plan: WorkPlan, opened: ImageSource, refinement: GraphRefinement | None, *, reused: bool
) -> CalibrationSet:
    assert work.selection is not None
    return CalibrationSet(
        folder=work.folder,
        model_path=work.folder / plan.model_name,
        yaml_path=work.folder / plan.yaml_name,
        manifest_path=work.folder / MANIFEST_NAME,
        data_dir=work.folder / CALIBRATION_DIR,
        spec=plan.spec,
        source_kind=opened.kind,
        selection=work.selection,
        warnings=_warnings(work, plan),
        notes=(*opened.notes, *plan.spec.notes, *(refinement.notes() if refinement else ())),
        reused=reused,
    )

"""Calibration sets of models that take more than one image, or none: a folder of raw files per input."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.artifacts import MANIFEST_NAME
from edgekit.calibration.calibration_set import CalibrationSet
from edgekit.calibration.heads import heads_of, model_hash, write_heads
from edgekit.calibration.manifest import tool_versions
from edgekit.calibration.nv12_colors import is_limited_to_nv12
from edgekit.calibration.refinement import GraphRefinement
from edgekit.calibration.select import Selection
from edgekit.calibration.work_files import WorkPlan, all_as_recorded, refuse_unexpected_files, write_yaml
from edgekit.calibration.workdir import Work, open_work
from edgekit.calibration.write import FLOAT_SUFFIX, SUFFIXES, calibration_bytes, remove_leftovers, require_space
from edgekit.errors import ConfigError
from edgekit.files import is_file, read_json, sha256_file, write_bytes
from edgekit.folder_lock import folder_lock
from edgekit.manifest import recorded_hashes
from edgekit.progress import Progress
from edgekit.ptq.inputs import PtqInput
from edgekit.ptq.presets import (
    CALIBRATION_DIR,
    config_of_inputs,
    featuremap_input,
    image_input,
    output_prefix,
    plain_name,
)
from edgekit.records import envelope
from edgekit.runtime.array_source import ArraySample, folder_name, open_samples
from edgekit.runtime.model_inputs import check_featuremap, image_of
from edgekit.spec import InputKind, InputSpec, March, ModelSpec, load_spec, sidecar_path
from edgekit.version import __version__

if TYPE_CHECKING:
    import onnx

    from edgekit.export import CutOptions

__all__ = ["SampleOptions", "calibrate_samples", "needs_samples"]


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """The arguments of `calibrate` that hold for samples, too; each of their Args is there."""

    num: int
    select: str
    input_kind: InputKind
    march: March
    calibration: str
    max_percentile: float | None
    seed: int


def needs_samples(model: Path, options: CutOptions | None) -> bool:
    """Return whether a model takes anything but one image; raises ModelError where it cannot be read."""
    from edgekit.export.several_inputs import featuremaps_of, takes_arrays
    from edgekit.graph.onnx_graph import load_model

    known = load_spec(sidecar_path(model)) if is_file(sidecar_path(model)) else None
    task = (options.task if options else "") or (known.task if known else "")
    featuremaps = featuremaps_of(options.inputs.featuremaps if options else (), known)
    return takes_arrays(load_model(model), task=task, featuremaps=featuremaps)


def calibrate_samples(
    model: Path,
    source: Path,
    out_dir: Path,
    options: SampleOptions,
    cut_options: CutOptions | None,
    refinement: GraphRefinement | None,
    progress: Progress,
) -> CalibrationSet:
    """Write the work folder of `calibrate` for a model that takes other things than one image.

    The samples are taken evenly from the source (`diverse`, which is measured on images alone), at random, or the
    first. Raises as `calibrate` does, and DataError where the source lacks something.
    """
    with folder_lock(out_dir, "calibrate"):
        heads, spec = heads_of(model, progress, cut_options)
        plan = _plan(model, spec, heads, options)
        offered = open_samples(source, spec.inputs)
        samples = [offered[i] for i in _chosen(len(offered), options)]
        work = open_work(out_dir, _request(model, source, offered, options, cut_options, refinement))
        reused = _is_finished(work, plan)
        if not reused:
            _write_all(work, plan, heads, samples, refinement, progress)
    notes = () if options.select != "diverse" else ("samples are taken evenly: diversity is measured on images alone",)
    return CalibrationSet(
        folder=work.folder,
        model_path=work.folder / plan.model_name,
        yaml_path=work.folder / plan.yaml_name,
        manifest_path=work.folder / MANIFEST_NAME,
        data_dir=work.folder / CALIBRATION_DIR,
        spec=plan.spec,
        source_kind="samples",
        selection=Selection((), (), len(offered), len(samples)),
        warnings=(),
        notes=(*plan.spec.notes, *notes, *(refinement.notes() if refinement else ())),
        reused=reused,
        samples=tuple(sample.name for sample in samples),
    )


def _request(
    model: Path,
    source: Path,
    offered: Sequence[ArraySample],
    options: SampleOptions,
    cut_options: CutOptions | None,
    refinement: GraphRefinement | None,
) -> dict[str, Any]:
    """What decides the set, for the manifest and for resuming."""
    listed = hashlib.sha256()
    for sample in offered:
        for path in sample.files:
            listed.update(f"{sample.name} {path.name} {path.stat().st_size}\n".encode())
    return {
        "edgekit": __version__,
        "model": model.name,
        "model_sha256": model_hash(model),
        "source": str(source),
        "source_fingerprint": listed.hexdigest(),
        **{"input" if name == "input_kind" else name: value for name, value in asdict(options).items()},
        **(refinement.to_json() if refinement else {}),
        **({"task": cut_options.task, "preprocess": cut_options.inputs.to_json()} if cut_options else {}),
    }


def _plan(model: Path, spec: ModelSpec, heads: onnx.ModelProto, options: SampleOptions) -> WorkPlan:
    """The yaml and the names, the inputs in the ONNX's order."""
    from edgekit.graph.onnx_graph import graph_inputs

    stem = re.sub(r"[-_](heads|cut)$", "", model.stem)
    by_name = {item.name: item for item in spec.inputs}
    ordered = [by_name[value.name] for value in graph_inputs(heads)]
    folders = _folders(ordered)
    inputs = [_ptq_input(item, spec, options.input_kind, folders[item.name]) for item in ordered]
    first = inputs[[item.name for item in inputs].index(spec.input.name)]
    size = "x".join(map(str, spec.input.shape[1:]))
    prefix = f"{plain_name(stem)}_{options.march.replace('-', '')}_{size}_{first.type_rt}"
    if spec.input.is_image:
        prefix = output_prefix(stem, options.march, spec.preprocess.size_wh, first.type_rt)
    config = config_of_inputs(
        inputs,
        onnx_model=f"{stem}_heads.onnx",
        prefix=prefix,
        march=options.march,
        calibration=options.calibration,
        max_percentile=options.max_percentile,
        softmax_on_bpu=any(node.op_type == "Softmax" for node in heads.graph.node),
    )
    return WorkPlan(f"{stem}_heads.onnx", f"{prefix}.yaml", config, spec, folders)


def _ptq_input(item: InputSpec, spec: ModelSpec, kind: InputKind, folder: str) -> PtqInput:
    if not item.is_image:
        return featuremap_input(item.name, item.shape, data_dir=f"./{folder}")
    if item.kind == "gray":
        kind = "gray"
    elif kind == "gray":
        raise ConfigError(
            f"the model's input {item.name!r} has three channels, and --input is 'gray'",
            hint="use --input nv12, rgb or bgr: images of one channel are grey anyway",
        )
    width, height = spec.preprocess_of(item).size_wh
    shape = (1, 1 if kind == "gray" else 3, height, width)
    mean, scale = spec.preprocess.mean, spec.preprocess.scale
    return image_input(item.name, kind, item.kind, shape, mean=mean, scale=scale, data_dir=f"./{folder}")


def _folders(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """A folder below the work folder for each input, no two the same; the usual one where there is one input."""
    if len(inputs) == 1:
        return {inputs[0].name: CALIBRATION_DIR}
    folders: dict[str, str] = {}
    for item in inputs:
        name = f"{CALIBRATION_DIR}/{folder_name(item.name)}"
        while name in folders.values():
            name += "_"
        folders[item.name] = name
    return folders


def _chosen(count: int, options: SampleOptions) -> list[int]:
    """The positions of the samples to take, ascending."""
    if not 1 <= options.num <= 100_000:
        raise ConfigError(f"num is {options.num}, expected 1..100000", hint="50 to 200 samples are usual")
    if count <= options.num or options.select == "first":
        return list(range(min(count, options.num)))
    if options.select == "random":
        picked = np.random.default_rng(options.seed).choice(count, options.num, replace=False)
        return sorted(int(index) for index in picked)
    return [index * count // options.num for index in range(options.num)]


def _write_all(
    work: Work,
    plan: WorkPlan,
    heads: onnx.ModelProto,
    samples: Sequence[ArraySample],
    refinement: GraphRefinement | None,
    progress: Progress,
) -> None:
    """Model, sidecar, data, yaml, then the manifest: it stands for a whole folder."""
    folder = work.folder
    work.save()
    remove_leftovers(folder)
    write_heads(folder / plan.model_name, heads, plan.spec)
    entries = list(_write_samples(folder, plan, samples, progress))
    _refuse_others(folder, plan, [entry["name"] for entry in entries])
    write_yaml(folder, plan)
    if refinement is not None and refinement.changes:
        refined = refinement.apply(folder / plan.yaml_name, progress=progress)
        write_heads(folder / plan.model_name, refined, plan.spec)
    work.finish(
        {
            **envelope("manifest"),
            "request": dict(work.request),
            "files": [{"name": name, "sha256": sha256_file(folder / name)} for name in plan.model_files] + entries,
            "inputs": {item.name: item.kind for item in plan.spec.inputs},
            "warnings": [],
            "notes": list(plan.spec.notes),
            "selection": None,
            "versions": tool_versions(),
        }
    )


def _write_samples(
    folder: Path, plan: WorkPlan, samples: Sequence[ArraySample], progress: Progress
) -> Iterator[dict[str, Any]]:
    """A file per sample and input, all of one name; yields the manifest's entries."""
    bytes_each = sum(4 * int(np.prod(item.shape)) for item in plan.config.inputs)
    for name in plan.folders.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder / name)
    require_space(folder, len(samples) * bytes_each)
    digits = max(3, len(str(len(samples) - 1)))
    in_nv12 = {item.name for item in plan.config.inputs if is_limited_to_nv12(item)}
    for done, sample in enumerate(samples):
        progress("writing calibration data", done, len(samples))
        arrays = sample.read()
        for item in plan.spec.inputs:
            suffix = SUFFIXES[item.kind] if item.is_image else FLOAT_SUFFIX
            name = f"{plan.folders[item.name]}/{done:0{digits}d}_{folder_name(sample.name)}{suffix}"
            data = _sample_bytes(arrays[item.name], item, plan.spec, nv12=item.name in in_nv12)
            write_bytes(folder / name, data)
            source = [path.name for path in sample.files]
            yield {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "source": sample.name, "from": source}
    progress("writing calibration data", len(samples), len(samples))


def _sample_bytes(array: npt.NDArray[Any], item: InputSpec, spec: ModelSpec, *, nv12: bool) -> bytes:
    """One input of one sample as the compiler reads it: little-endian float32, images in 0..255."""
    if item.is_image:
        fed = InputSpec(item.name, item.kind, "NCHW")
        return calibration_bytes(image_of(array, item), fed, spec.preprocess_of(item), nv12=nv12)
    return check_featuremap(array, item).astype("<f4").tobytes()


def _is_finished(work: Work, plan: WorkPlan) -> bool:
    if not all_as_recorded(work.folder):
        return False
    manifest = work.folder / MANIFEST_NAME
    _refuse_others(work.folder, plan, list(recorded_hashes(read_json(manifest), manifest)))
    return True


def _refuse_others(folder: Path, plan: WorkPlan, files: Sequence[str]) -> None:
    """Raise OutputError where an input's folder holds a file that is none of `files`, given below the work folder."""
    for name in plan.folders.values():
        refuse_unexpected_files(folder / name, [Path(file).name for file in files if Path(file).parent == Path(name)])

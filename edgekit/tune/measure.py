"""The jobs of tuning: what a worker does for one setting, from plain values to plain values."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.evaluate.agreement import SHOWN, Agreement, agree_on_image, summarise
from edgekit.evaluate.bootstrap import image_weights, quotients
from edgekit.evaluate.labels import load_labels
from edgekit.evaluate.pairwise_agreement import same_class_draws
from edgekit.evaluate.predictions import Image, predict_images
from edgekit.evaluate.run import Evaluation, evaluate, predictions_by_id
from edgekit.files import atomic_path, sha256_file, write_bytes
from edgekit.ops.buffers import Buffers
from edgekit.ops.image import read_image
from edgekit.ops.pixels import unit_float
from edgekit.ops.prepare import prepare_image
from edgekit.ops.quant import dequantize
from edgekit.runtime.session import Session, load
from edgekit.sim.compiler.sidecars import quantized_spec
from edgekit.spec import ModelSpec, file_ref, save_spec, sidecar_path
from edgekit.tune.candidate import PLAIN, Setting, setting_from
from edgekit.tune.fake_quant import rounded_session
from edgekit.tune.weighted_error import Heads, squared_error, weighted_squared_error
from edgekit.tune.workspace import (
    Work,
    base_subject,
    float_heads,
    histograms_of,
    images_of,
    quantized_of,
    session_of,
    thresholds_of,
)

Job = Mapping[str, Any]
THREADS = 1  # of a job: there are as many workers as cores
SCORED = "scored"


def error_job(setting: Setting, images: range) -> dict[str, Any]:
    """Measure the outputs' error of the integer graph."""
    return {"kind": "error", "setting": setting.to_dict(), "images": [images.start, images.stop]}


def alone_job(setting: Setting, tensors: frozenset[str], images: range) -> dict[str, Any]:
    """Measure the outputs' error of the float model with `tensors` alone in 8 bits."""
    job = {"kind": "alone", "setting": setting.to_dict(), "tensors": sorted(tensors)}
    return {**job, "images": [images.start, images.stop]}


def shift_job(setting: Setting, images: range) -> dict[str, Any]:
    """Measure the mean difference of every output channel."""
    return {"kind": "shift", "setting": setting.to_dict(), "images": [images.start, images.stop]}


def observe_job(images: str, graph: str) -> dict[str, Any]:
    """Take the histograms of a calibration set."""
    return {"kind": "observe", "set": images, "graph": graph}


def score_job(setting: Setting, limit: int | None = None) -> dict[str, Any]:
    """Score on labels (or on agreement alone) against the float model; `limit`: the first images alone."""
    return {"kind": "score", "setting": setting.to_dict(), "limit": limit}


def built_job(model: Path, images: range) -> dict[str, Any]:
    """Measure the outputs' error of a build: a quantized graph with its sidecar."""
    sha = sha256_file(model)
    return {"kind": "error", "model": str(model.resolve()), "sha256": sha, "images": [images.start, images.stop]}


def run_job(shared: Mapping[str, Any], job: Mapping[str, Any]) -> Any:
    """The function of every worker; `shared` holds the folder, the threads and where the labels are."""
    return KINDS[job["kind"]](shared, job)


def _error(shared: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    work = Work(Path(shared["folder"]))
    session = _opened(work, job)
    return _sums(session.spec, _heads(work, session, range(*job["images"])))


def _sums(spec: ModelSpec, pairs: Iterable[tuple[Heads, Heads]]) -> dict[str, Any]:
    """Sums of squares per image and output: of the difference to the float model, and of the float model's."""
    outputs = [head.name for head in spec.outputs]
    sums: dict[str, dict[str, list[list[float]]]] = {way: {"noise": [], "signal": []} for way in WAYS}
    for truth, found in pairs:
        for way, measure in WAYS.items():
            of_image = measure(spec, truth, found)
            sums[way]["noise"].append([of_image[name][0] for name in outputs])
            sums[way]["signal"].append([of_image[name][1] for name in outputs])
    return {"outputs": outputs, **sums}


def _alone(shared: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """As `_error`, of the float model on onnxruntime with a few of its tensors rounded."""
    work, setting = Work(Path(shared["folder"])), setting_from(job["setting"])
    subject = base_subject(work.folder, setting.images, setting.graph)
    scales = subject.plan.scales(thresholds_of(work, setting))
    rounded = rounded_session(subject.job.onnx_path, {t: scales[t] for t in job["tensors"]}, threads=THREADS)
    spec = subject.job.spec
    return _sums(spec, _rounded_heads(work, spec, rounded, range(*job["images"])))


def _rounded_heads(work: Work, spec: ModelSpec, rounded: Any, images: range) -> Iterator[tuple[Heads, Heads]]:
    paths = images_of(work.folder)
    for i in images:
        truth = float_heads(work.folder, i)
        pixels, _ = prepare_image(read_image(paths[i]), spec.input, spec.preprocess, Buffers())
        yield truth, dict(zip(truth, rounded.run(list(truth), {spec.input.name: unit_float(pixels)}), strict=True))


def _shift(shared: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, list[float]]:
    """Per output and channel: the mean of float minus integer over places and images."""
    sums: dict[str, npt.NDArray[np.float64]] = {}
    images = 0
    work = Work(Path(shared["folder"]))
    for truth, found in _heads(work, _opened(work, job), range(*job["images"])):
        images += 1
        for name, values in truth.items():
            mean = (values.astype(np.float64) - found[name]).reshape(-1, values.shape[-1]).mean(axis=0)
            sums[name] = sums.get(name, np.zeros(mean.size)) + mean
    return {name: (total / max(images, 1)).tolist() for name, total in sums.items()}


def _heads(work: Work, session: Session, images: range) -> Iterator[tuple[Heads, Heads]]:
    """(float heads, integer graph's heads as floats) for each of the images."""
    paths = images_of(work.folder)
    for i in images:
        truth = float_heads(work.folder, i)
        inputs, _ = session.prepare(read_image(paths[i]))
        found = {name: _as_float(session.spec, name, value) for name, value in session.infer(inputs).items()}
        for name, values in truth.items():
            if name not in found or found[name].shape != values.shape:
                raise ModelError(
                    f"output {name!r} is {found[name].shape if name in found else 'missing'} in the integer graph, "
                    f"expected {values.shape} as in the float model",
                    hint="delete the tuning folder and begin again",
                )
        yield truth, found


def _as_float(spec: ModelSpec, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A head's integers by the scales of its sidecar; floats as they are."""
    head = next(head for head in spec.outputs if head.name == name)
    if not np.issubdtype(values.dtype, np.integer):
        return values
    return dequantize(values.reshape(head.shape), np.asarray(head.scale, np.float32), head.axis)


def _opened(work: Work, job: Mapping[str, Any]) -> Session:
    """The build of the job's setting, or the one that lies in a file already."""
    if "model" in job:
        return load(job["model"])
    return session_of(work, setting_from(job["setting"]), threads=THREADS)


def _observe(shared: Mapping[str, Any], job: Mapping[str, Any]) -> int:
    return len(histograms_of(Path(shared["folder"]), job["set"], job["graph"]))


def _score(shared: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The build and the float model over the images: what is kept, where there are labels, and their agreement."""
    work, setting = Work(Path(shared["folder"])), setting_from(job["setting"])
    model = _write_scored(work, setting)
    reference = base_subject(work.folder, setting.images, PLAIN).job.onnx_path
    if not shared["data"]:
        return _agreement(work, model, reference, job["limit"], int(shared["resamples"]))
    truth = load_labels(
        Path(shared["data"]),
        split=shared["split"],
        images_dir=Path(shared["images_dir"]) if shared["images_dir"] else None,
        limit=job["limit"],
    )
    known = work.folder / SCORED / f"reference_{reference.stem}.predictions.jsonl"
    ours = model.parent / known.name
    if known.is_file() and not ours.exists():  # what the float model finds is the same for every setting
        _copy(known, ours)
    result = evaluate(model, truth, model.parent, against=reference, resamples=int(shared["resamples"]))
    if not known.exists():
        _copy(ours, known)
    return _scores(result)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _scores(result: Evaluation) -> dict[str, Any]:
    """What is kept, for every metric and in every draw of the images, and the agreement."""
    report = result.to_dict()
    scores: dict[str, Any] = {name: report[name] for name in ("kept", "difference") if name in report}
    if result.reference is not None:
        ours, others = result.model.scores, result.reference.scores
        kept = {kind: quotients(ours[kind].draws, others[kind].draws) for kind in result.kept or {}}
        scores["kept_draws"] = {kind: _draws(values) for kind, values in kept.items()}
    return {**scores, **_agreed(result.agreement)}


def _agreed(agreement: Agreement | None) -> dict[str, Any]:
    """The agreement, and how much is missing to it in every draw: what paired intervals are made from."""
    if agreement is None:
        return {}
    return {"agreement": agreement.to_dict(), "disagreement_draws": _draws(1 - agreement.draws)}


def _draws(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]


def _write_scored(work: Work, setting: Setting) -> Path:
    """The integer graph with its sidecar, as files: what the evaluation opens."""
    subject, quantized = quantized_of(work, setting)
    model = work.folder / SCORED / setting.key / "model.onnx"
    write_bytes(model, quantized.model.SerializeToString(deterministic=True))
    spec = quantized_spec(subject.job, subject.graph, subject.image)
    save_spec(sidecar_path(model), replace(spec, files={"model": file_ref(model)}))
    return model


def _agreement(work: Work, model: Path, reference: Path, limit: int | None, resamples: int) -> dict[str, Any]:
    """The agreement alone, on images without labels; of classifiers, the images with another first class."""
    images = [Image(i, path) for i, path in enumerate(images_of(work.folder)[:limit])]
    both = []
    for name, path in (("model", model), ("reference", reference)):
        with load(path, conf=SHOWN) as session:
            both.append(predict_images(session, path, images, model.parent / f"{name}_agreement.jsonl"))
    pairs = [(found, true) for found, true in zip(*predictions_by_id(both), strict=True)]
    weights = image_weights(len(pairs), resamples)
    if both[0].task == "classify":
        return {"disagreement_draws": _draws(1 - same_class_draws(pairs, weights))}
    rows = [agree_on_image(*pair) for pair in pairs]
    return _agreed(summarise(rows, weights, has_masks=all(one.has_masks for one in both)))


WAYS = {"everywhere": squared_error, "seen": weighted_squared_error}
KINDS = {"error": _error, "alone": _alone, "shift": _shift, "observe": _observe, "score": _score}

"""A whole learning: images, the best Clips to start from, the run, and the judgement on integer graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from edgekit.compilation.job import load_job
from edgekit.compiler_api import CompileJob
from edgekit.data.image_source import ImageSource
from edgekit.errors import ConfigError, DataError
from edgekit.files import atomic_path, is_file, read_json, sha256_file, write_json
from edgekit.folding.clip import clip_outputs
from edgekit.folding.clip_bounds import FRACTIONS, boundable, clipped_thresholds, positive_bounds
from edgekit.graph.attention import attention_sums
from edgekit.graph.macs import giga_macs
from edgekit.learn.learned_model import learnable_convolutions, with_weights
from edgekit.learn.step_budget import steps_for
from edgekit.learn.torch_library import load_torch
from edgekit.progress import Progress, silent
from edgekit.records import check_envelope, envelope
from edgekit.sim.compiler.calibration.collect import observe
from edgekit.sim.compiler.calibration.histogram import Histogram
from edgekit.sim.compiler.calibration.search import Thresholds, calibrated, thresholds_by
from edgekit.sim.compiler.calibration.thresholds import max_threshold, percentile_threshold
from edgekit.sim.compiler.inputs import board_inputs
from edgekit.sim.compiler.log import BuildLog
from edgekit.sim.compiler.prepared_model import PreparedModel, prepare_model, with_int16

if TYPE_CHECKING:
    from edgekit.evaluation.bootstrap import Interval
    from edgekit.learn.image_pool import ImagePool
    from edgekit.learn.judge import Losses
    from edgekit.learn.training import LearningTask

# Elements that do not saturate while learning, of a tensor whose bound is not learned itself (sums,
# Concats, activations): else the few largest of millions would set its step. With .99995 and less
# both models that were measured lose.
PERCENTILE = 0.99999
FRACTION_IMAGES = 16  # held-out images on which the Clips to start from are chosen
UNTUNED, CLIPS, LEARNED = "untuned", "clips", "learned"
POOL_NAME, CHECKPOINT_NAME, REPORT_NAME = "images.u8", "checkpoint.npz", "learn.json"
LEARNED_NAME, FINISHED_NAME, FINISHED_KIND = "learned.onnx", "finished.json", "finished-learning"
METHOD = 3  # counts changes of what is learned from the same: a run of an earlier method is not taken up


@dataclass(frozen=True, slots=True)
class Learned:
    """What a learning gave.

    Attributes:
        accepted: Whether the learned build beats both the untuned and the clipped one on held-out images.
        model: The cut model with the learned weights and biases, without Clips.
        bounds: Convolution output -> learned bound, to be written as Clips.
        clips: The same of the Clips that statistics alone give; what is left where nothing was accepted.
        report: Everything that a manifest says about it, as JSON values.
    """

    accepted: bool
    model: Path
    bounds: Mapping[str, float]
    clips: Mapping[str, float]
    report: Mapping[str, Any]


def learn(
    yaml: Path, source: ImageSource, out: Path, *, minutes: float, seed: int = 0, progress: Progress = silent
) -> Learned:
    """Learn bounds, weights and biases towards the float model's own outputs.

    Args:
        yaml: The PTQ yaml of a calibration folder; its cut model is learned and is the target.
        source: Unlabelled images.
        out: The run's folder; a killed run goes on from its checkpoint there, a finished one is read.
        minutes: About how long on two cores; the number of steps follows from it and from the model alone.
        seed: Of the images' order and mirroring.
        progress: Called per image and step.

    Returns:
        What was learned, and whether it is to be taken.

    Raises:
        ConfigError: torch is missing or too old, or `minutes` are too few for this model.
        DataError: Fewer than 32 different images.
        ModelError: An operation that cannot be learned through, by name.
    """
    torch = load_torch()
    from edgekit.learn.image_pool import fill_pool
    from edgekit.learn.training import train

    job = load_job(yaml)
    untuned = prepare_model(job)
    prepared = with_int16(untuned, attention_sums(untuned.graph))
    start = _Start(prepared, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    board_input = board_inputs(job)[0]
    pool = fill_pool(source.images, job.spec, out / POOL_NAME, source=board_input, seed=seed, progress=progress)
    steps = steps_for(minutes, giga_macs=giga_macs(prepared.graph), held_out=pool.held_out)
    from_what = {**_learned_from(prepared, source, pool), "steps": steps, "seed": seed}
    finished = _finished(out, from_what)
    if finished is not None:
        return finished
    observed = dict.fromkeys([*prepared.plan.observed, *boundable(prepared.graph, prepared.plan).values()])
    magnitudes = observe(job, prepared.graph, list(observed), progress=progress)
    clips = _best_clips(prepared, start, pool, magnitudes, progress)
    task = start.task(magnitudes, clips, pool, steps, seed)
    about = {**envelope("learned"), **from_what, "clips": clips}
    state = train(task, about, out / CHECKPOINT_NAME, progress=progress)
    bounds = {name: float(bound.detach()) for name, bound in task.parameters.bounds().items()}
    _save(with_weights(onnx.load(job.onnx_path), task.parameters.learned_weights()), out / LEARNED_NAME)
    losses = _judge(untuned, start, pool, clips, out, bounds, progress)
    del task, pool
    (out / POOL_NAME).unlink(missing_ok=True)  # hundreds of megabytes
    report = {**about, **state.to_json()}
    del report["calibration"]
    report |= _verdict(losses, seed)
    write_json(out / REPORT_NAME, report)
    learned = Learned(bool(report["accepted"]), out / LEARNED_NAME, bounds, clips, report)
    _finish(learned, out, from_what)
    return learned


def _learned_from(prepared: PreparedModel, source: ImageSource, pool: ImagePool) -> dict[str, Any]:
    """What a run depends on besides its length and seed, as plain JSON values."""
    job = prepared.job
    return {
        "method": METHOD,
        "model": {"name": job.onnx_path.name, "sha256": sha256_file(job.onnx_path)},
        "calibration": [sha256_file(path) for path in job.calibration_files],
        "images": {"source": source.fingerprint(), "learned": pool.learned, "held_out": pool.held_out},
        "int16": sorted(name for name, bits in prepared.plan.bits.items() if bits == 16),
    }


def _finish(learned: Learned, out: Path, from_what: Mapping[str, Any]) -> None:
    """Write that the run has ended, with everything that `_finished` needs."""
    document = {
        **envelope(FINISHED_KIND),
        "from": dict(from_what),
        "learned": sha256_file(learned.model),
        "bounds": dict(learned.bounds),
        "report": dict(learned.report),
    }
    write_json(out / FINISHED_NAME, document)


def _finished(out: Path, from_what: Mapping[str, Any]) -> Learned | None:
    """The result of an earlier run that learned from the same; None where there is none that is whole."""
    path, model = out / FINISHED_NAME, out / LEARNED_NAME
    if not is_file(path) or not is_file(model):
        return None
    try:
        document = check_envelope(
            read_json(path), FINISHED_KIND, str(path), error=DataError, hint="it is learned again"
        )
        report, bounds = document["report"], document["bounds"]
        if document["from"] != dict(from_what) or document["learned"] != sha256_file(model):
            return None
        bounds, clips = ({str(k): float(v) for k, v in table.items()} for table in (bounds, report["clips"]))
        return Learned(bool(report["accepted"]), model, bounds, clips, report)
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return None


class _Start:
    """The original model in the interpreter: the target of everything."""

    def __init__(self, prepared: PreparedModel, device: Any) -> None:
        from edgekit.learn.network import Network

        self.prepared, self.device = prepared, device
        self.network = Network(prepared.graph, prepared.plan)
        self.weights = self.network.constant_weights(device)
        self.on_cpu = self.network.constant_weights("cpu")

    def task(
        self, magnitudes: Mapping[str, Histogram], clips: Mapping[str, float], pool: ImagePool, steps: int, seed: int
    ) -> LearningTask:
        from edgekit.learn.parameters import TrainedParameters
        from edgekit.learn.ranges import RangeRules
        from edgekit.learn.training import LearningTask

        graph, plan, job = self.network.graph, self.prepared.plan, self.prepared.job
        bounded = boundable(graph, plan)
        largest = {name: _reach(histogram, bounded=name in bounded) for name, histogram in magnitudes.items()}
        first = {name: clips.get(name, largest[name]) for name in bounded}
        learned = learnable_convolutions(onnx.load(job.onnx_path), graph)
        parameters = TrainedParameters(self.network, learned, first, self.device)
        rules = RangeRules(graph, plan, largest)
        return LearningTask(self.network, self.weights, parameters, rules, pool, job.spec, steps, seed, self.device)


def _best_clips(
    prepared: PreparedModel, start: _Start, pool: ImagePool, magnitudes: Mapping[str, Histogram], progress: Progress
) -> dict[str, float]:
    """The bounds of the percentile whose integer graph loses least on a few held-out images."""
    from edgekit.learn.judge import integer_losses
    from edgekit.learn.losses import pooled_loss

    if not boundable(prepared.graph, prepared.plan):
        raise ConfigError(
            "no convolution of this model stands in front of an activation that is flat below zero, expected some",
            hint="tune without --learn: its bounds would have nothing to learn",
        )
    largest = thresholds_by(max_threshold, magnitudes, prepared.plan)
    options = {str(f): positive_bounds(magnitudes, prepared.graph, prepared.plan, fraction=f) for f in FRACTIONS}
    builds = {
        name: (prepared, clipped_thresholds(largest, bounds, prepared.graph, prepared.plan))
        for name, bounds in options.items()
    }
    images = pool.images[pool.learned :][:FRACTION_IMAGES]
    losses = integer_losses(builds, images, start.network, start.on_cpu, prepared.job.spec, progress=progress)
    return options[min(options, key=lambda name: (pooled_loss(losses[name]), name))]


def _judge(
    untuned: PreparedModel,
    start: _Start,
    pool: ImagePool,
    clips: Mapping[str, float],
    out: Path,
    bounds: Mapping[str, float],
    progress: Progress,
) -> dict[str, Losses]:
    """The loss of the three builds per held-out image, each calibrated as its own yaml asks."""
    from edgekit.learn.judge import integer_losses

    job = untuned.job
    thresholds = dict(calibrated(untuned, BuildLog(), progress).thresholds)
    builds: dict[str, tuple[PreparedModel, Mapping[str, float]]] = {UNTUNED: (untuned, thresholds)}
    builds[CLIPS] = _clipped_build(job, job.onnx_path, clips, 1.0, out / "clipped.onnx", progress)
    builds[LEARNED] = _clipped_build(
        job, out / LEARNED_NAME, bounds, PERCENTILE, out / "learned_clipped.onnx", progress
    )
    images = pool.images[pool.learned :]
    return integer_losses(builds, images, start.network, start.on_cpu, job.spec, progress=progress)


def _reach(histogram: Histogram, *, bounded: bool) -> float:
    """How far a tensor reaches while learning: to its largest magnitude where a bound is learned, else nearly so."""
    return max_threshold(histogram) if bounded else percentile_threshold(histogram, fraction=PERCENTILE)


def _clipped_build(
    job: CompileJob, model: Path, bounds: Mapping[str, float], percentile: float, path: Path, progress: Progress
) -> tuple[PreparedModel, Thresholds]:
    """The model with Clips, and the thresholds that a calibration by a percentile finds for it."""
    _save(clip_outputs(onnx.load(model), bounds), path)
    prepared = prepare_model(replace(job, onnx_path=path))
    prepared = with_int16(prepared, attention_sums(prepared.graph))
    magnitudes = observe(prepared.job, prepared.graph, prepared.plan.observed, progress=progress)
    return prepared, thresholds_by(partial(percentile_threshold, fraction=percentile), magnitudes, prepared.plan)


def _verdict(losses: Mapping[str, Losses], seed: int) -> dict[str, Any]:
    """The paired comparison, and whether the learned build beats both others."""
    from edgekit.learn.judge import is_smaller, loss_ratio
    from edgekit.learn.losses import pooled_loss

    ratios: dict[str, Interval] = {
        name: loss_ratio(losses[LEARNED], losses[name], seed=seed) for name in (UNTUNED, CLIPS)
    }
    return {
        "losses": {name: pooled_loss(values) for name, values in losses.items()},
        "learned_over": {name: interval.to_dict() for name, interval in ratios.items()},
        "accepted": all(is_smaller(losses[LEARNED], losses[name], seed=seed) for name in ratios),
    }


def _save(model: onnx.ModelProto, path: Path) -> None:
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))

"""Measure one cell: how long a frame takes, and what the model scores on labels."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.artifacts import QUANTIZED_SUFFIX
from edgekit.bundle import ARCHIVE_SUFFIXES, is_bundle, open_bundle
from edgekit.cores import cores
from edgekit.decode.plan import DecodeOptions
from edgekit.device_kinds import FLOAT
from edgekit.errors import DeviceError, EdgekitError, OutputError, UnfitError
from edgekit.evaluation.bench.batches import measure_batches, open_batched
from edgekit.evaluation.bench.grid import Cell
from edgekit.evaluation.bench.memory_limit import is_out_of_memory, memory_limit
from edgekit.evaluation.bench.precisions import model_in_precision
from edgekit.evaluation.bench.row import FAILED, MEMORY, NO_SCORE, UNFIT, Metric, Row
from edgekit.evaluation.bench.sizes import model_at_size, require_size
from edgekit.evaluation.bench.timing_images import TimingImages
from edgekit.evaluation.labels import Labels
from edgekit.evaluation.options import EvaluateOptions
from edgekit.evaluation.run import evaluate
from edgekit.evaluation.scores import ModelScores, Score
from edgekit.files import sha256_file
from edgekit.latency.estimate import estimate_model
from edgekit.latency.integer_size import size_of_file
from edgekit.progress import Progress, silent
from edgekit.runtime.perf import PerfRun, measure
from edgekit.runtime.session import FLOAT_STAGES, Session, load
from edgekit.workers import Workers

__all__ = ["Bench", "BenchOptions", "measure_cell"]

# Devices that this computer's cores are: threads compute one frame. Elsewhere they keep as many frames on their way.
OWN_CORES = (FLOAT, "sim")
OWN_CORE_NAMES = ("auto", "cpu", "sim")


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """How all cells are measured; `conf` and `iou` are those of the timed frames, scores take the published ones.

    Attributes:
        frames: Timed frames per cell.
        warmup: Frames before them.
        conf: Score threshold, 0..1.
        iou: Overlap threshold of the NMS, 0..1.
        resamples: Bootstrap draws for the intervals of the scores.
        seed: Of the draws.
    """

    frames: int = 100
    warmup: int = 10
    conf: float = 0.25
    iou: float = 0.7
    resamples: int = 1000
    seed: int = 0


@dataclass(slots=True)
class Bench:
    """What the cells share.

    Attributes:
        folder: Of the results.
        images: To time on.
        labels: To score on, None for times only.
        data_key: Stands for the labels in names of folders.
        options: How all cells are measured.
        workers: Where models are scored, None for this process; times are always taken in this process.
        scored: What a model scored, since threads do not change that.
    """

    folder: Path
    images: TimingImages
    labels: Labels | None = None
    data_key: str = ""
    options: BenchOptions = field(default_factory=BenchOptions)
    workers: Workers | None = None
    scored: dict[Path, ModelScores | EdgekitError] = field(default_factory=dict)


def measure_cell(bench: Bench, cell: Cell, *, progress: Progress = silent) -> Row:
    """Measure a cell; one that fails gives a row that says why.

    Args:
        bench: What the cells share.
        cell: Model, size, device and threads.
        progress: Called with stage, done and total.

    Returns:
        The row.

    Raises:
        OutputError: If results cannot be written: no other cell will fare better.
    """
    row = Row(cell.model.name, str(cell.model), cell.device, threads=cell.threads, format=_format(cell.model))
    row = replace(row, precision=cell.precision, batch=cell.batch)
    row = replace(row, size_wh=(cell.size_hw[1], cell.size_hw[0]) if cell.size_hw else None)
    try:
        path = open_bundle(cell.model).model_path if is_bundle(cell.model) else cell.model
        row = replace(row, size_mb=_megabytes(path), format=_format(path))
        path = model_at_size(path, cell.size_hw, bench.folder / "models")
        if cell.precision:
            path = model_in_precision(path, cell.precision, bench.folder / "models")
            row = replace(row, size_mb=_megabytes(path))
        row = replace(_sized(row, path), static_ms=_static_ms(path))
        timed = _timed if cell.batch == 1 else _timed_batches
        row = timed(bench, cell, row, path, progress)
    except UnfitError as error:
        return _failed(replace(row, threads=0), error, UNFIT)
    except Exception as error:  # whatever it is, the other cells go on
        if cell.batch > 1 and is_out_of_memory(error):
            return _failed(row, _memory_error(cell), MEMORY)
        return _failed(row, error, FAILED)
    if bench.labels is None:
        return row
    try:
        scores = _scored(bench, row, path, cell.device, progress)
        return replace(
            row,
            scores={kind: _metric(score) for kind, score in scores.scores.items()},
            images=scores.images,
            notes=tuple(dict.fromkeys((*row.notes, *scores.notes, *(f"skipped: {error}" for error in scores.unread)))),
        )
    except Exception as error:
        return _failed(row, error, NO_SCORE)


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 3)


def _sized(row: Row, path: Path) -> Row:
    """Add the graph's layers, parameters and arithmetic, where the graph is there."""
    try:
        size = size_of_file(path)
    except EdgekitError:  # a real .bin without its graph: the measured times stand alone
        return row
    gflops = None if size.gflops is None else round(size.gflops, 3)
    return replace(row, layers=size.layers, parameters=size.parameters, gflops=gflops)


def _memory_error(cell: Cell) -> DeviceError:
    return DeviceError(
        f"the memory of {cell.device} ends at {cell.label}: a smaller batch is the largest",
        hint="this is what --batch auto looks for; give smaller numbers to --batch to measure those alone",
    )


def _static_ms(path: Path) -> float | None:
    """The latency model's frame of an integer model, in milliseconds; None where it has none."""
    if path.suffix != ".bin" and not path.name.endswith(QUANTIZED_SUFFIX):
        return None
    try:
        return round(estimate_model(path).frame_us / 1e3, 3)
    except EdgekitError:  # another march, or a .bin without its graph: the measured times stand alone
        return None


def _timed(bench: Bench, cell: Cell, row: Row, path: Path, progress: Progress) -> Row:
    computes_here = cell.device in OWN_CORE_NAMES
    options = bench.options
    with load(
        path,
        cell.device,
        conf=options.conf,
        iou=options.iou,
        threads=(cell.threads or cores()) if computes_here else 0,
    ) as session:
        require_size(cell.model, session.spec, cell.size_hw)
        row = _described(row, session)
        computing = session.device.kind in OWN_CORES
        row = replace(row, threads=cell.threads or (cores() if computing else 1))
        run = measure(
            session,
            bench.images.bgr,
            threads=1 if computing else row.threads,
            frames=options.frames,
            warmup=options.warmup,
            draw=False,
            progress=lambda _, done, total: progress("timing", done, total),
        )
    return _with_times(row, run)


def _with_times(row: Row, run: PerfRun) -> Row:
    return replace(
        row,
        frames=run.frames,
        fps=run.fps,
        objects_per_frame=run.objects_per_frame,
        total=run.total,
        stages=run.stages,
    )


def _timed_batches(bench: Bench, cell: Cell, row: Row, path: Path, progress: Progress) -> Row:
    """Measure several images at once; on this computer's cores under a limit of memory."""
    options = bench.options
    on_cores = cell.device in OWN_CORE_NAMES
    with memory_limit() if on_cores else contextlib.nullcontext():
        decoding = DecodeOptions(options.conf, options.iou)
        threads = (cell.threads or cores()) if on_cores else 0
        batched = open_batched(path, cell.device, batch=cell.batch, options=decoding, threads=threads)
        with batched.session as session:
            require_size(cell.model, session.spec, cell.size_hw)
            row = replace(_described(row, session), threads=threads or 1)
            run = measure_batches(
                batched,
                bench.images.bgr,
                frames=options.frames,
                warmup=options.warmup,
                progress=lambda _, done, total: progress("timing", done, total),
            )
    return _with_times(row, run)


def _described(row: Row, session: Session) -> Row:
    is_float = session.spec.stage in FLOAT_STAGES
    return replace(
        row,
        precision=row.precision or ("float32" if is_float else "int8"),
        device=session.device.kind,
        size_wh=session.spec.preprocess.size_wh,
        notes=session.notes,
    )


def _scored(bench: Bench, row: Row, path: Path, device: str, progress: Progress) -> ModelScores:
    """Return the scores of the model on this device, computed once; an error is kept as well."""
    assert bench.labels is not None
    key = f"{path.stem}_{sha256_file(path)[:8]}_{row.device}"
    folder = bench.folder / "accuracy" / bench.data_key / key
    if folder not in bench.scored:
        try:
            evaluation = evaluate(
                path,
                bench.labels,
                folder,
                device=device,
                options=EvaluateOptions(resamples=bench.options.resamples, seed=bench.options.seed),
                workers=bench.workers,
                progress=lambda stage, done, total: progress(stage.split()[0], done, total),
            )
            bench.scored[folder] = evaluation.model
        except OutputError:
            raise
        except EdgekitError as error:
            bench.scored[folder] = error
    known = bench.scored[folder]
    if isinstance(known, EdgekitError):
        raise known
    return known


def _metric(score: Score) -> Metric:
    overall = score.overall
    values: Mapping[str, float] = {"value": overall.value, "low": overall.low, "high": overall.high}
    map50 = score.map50.value if score.map50 else math.nan
    return Metric(score.measure, **{name: _or_none(value) for name, value in values.items()}, map50=_or_none(map50))


def _failed(row: Row, error: Exception, status: str) -> Row:
    if isinstance(error, OutputError):
        raise error
    if isinstance(error, EdgekitError):
        return replace(row, status=status, error=error.message, hint=error.hint)
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return replace(
        row,
        status=status,
        error=f"{type(error).__name__} while measuring {row.model} ({reason})",
        hint="this is no mistake of yours: edgekit perf --debug --model MODEL shows where it comes from",
    )


def _format(path: Path) -> str:
    """Return what kind of file it is, by its name."""
    if path.is_dir() or path.name.endswith(ARCHIVE_SUFFIXES):
        return "bundle"
    return "ONNX" if path.suffix == ".onnx" else path.suffix or "-"


def _or_none(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None

"""`edgekit perf`: how fast a model runs here, by stage and by number of threads."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.options import add_device, add_json, add_output, add_overwrite, add_thresholds, add_timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from edgekit.runtime.hrt import HrtPerf
    from edgekit.runtime.model_inputs import InputSample
    from edgekit.runtime.perf import PerfRun
    from edgekit.runtime.published_results import PublishedComparison, PublishedValue
    from edgekit.runtime.session import Session
    from edgekit.spec import ModelSpec

REFERENCE_FOLDER = "board/reference"  # in a checkout; board/perf.py names its own
MAX_IMAGES = 64  # decoded images that are held in memory and shown in turn
SIM_NOTE = "measured on the simulated device: these numbers say nothing of the board"
FLOAT_NOTE = "measured with onnxruntime on this computer: these numbers say nothing of the board"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--model", required=True, help=".bin, quantized graph, float ONNX or bundle")
    parser.add_argument("--source", help="image or folder of images (default: generated images without objects)")
    add_device(parser)
    add_timing(parser)
    parser.add_argument("--warmup", type=int, default=10, help="frames per thread before measuring (default 10)")
    add_thresholds(parser)
    parser.add_argument("--no-draw", action="store_true", help="leave the drawing of results out")
    parser.add_argument("--hrt", action="store_true", help="run hrt_model_exec perf as well and show it beside")
    parser.add_argument(
        "--reference", help="published figures: a file, or a folder with BOARD.json (default: board/reference)"
    )
    parser.add_argument("--csv", metavar="FILE", help="write the measurements as CSV, too")
    add_output(parser, "write everything as JSON, too", metavar="FILE")
    add_overwrite(parser, "the files of -o and --csv if they exist")
    add_json(parser, "everything")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.cli.console import print_json, say_replaced
    from edgekit.files import refuse_replacing, write_json
    from edgekit.runtime.published_results import compare
    from edgekit.runtime.session import load

    outputs = [Path(name) for name in (args.output, args.csv) if name]
    replaced = refuse_replacing(outputs, inputs=_inputs(args) if outputs else (), overwrite=args.overwrite)
    with load(args.model, args.device, conf=args.conf, iou=args.iou) as session:
        notes = _notes(session)
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        figures = _figures(args, session)  # what is wrong with the options is said before the time is spent
        _check_hrt(args, session)
        runs = _measure_all(args, session)
        vendor = _vendor_runs(args)
        comparisons = compare(runs, figures, model_stem=_model_file(args).stem)
        report = _report(args, session, runs, vendor, comparisons, notes)
    if args.json:
        print_json("perf", report)
    else:
        _print_tables(session, runs, vendor, comparisons, report)
    if args.output:
        write_json(Path(args.output), report)
    if args.csv:
        _write_csv(Path(args.csv), runs)
    say_replaced(replaced)
    return 0


def _inputs(args: argparse.Namespace) -> list[Path]:
    """The files that this call reads, so that none is written."""
    from edgekit.files import is_folder
    from edgekit.spec import sidecar_path

    model = Path(args.model)
    named = [Path(name) for name in (args.source, args.reference) if name]
    inside = [path for folder in (model, *named) if is_folder(folder) for path in folder.rglob("*") if path.is_file()]
    images = () if not args.source else _source_files(args.source)
    return [model, sidecar_path(model), *named, *inside, *images]


def _source_files(source: str) -> tuple[Path, ...]:
    """The images of a source; none of samples, whose model is not open yet, or where there is nothing to read."""
    from edgekit.cli.source import open_any_source
    from edgekit.errors import EdgekitError

    try:
        return open_any_source(source, on_skip=lambda error: None).files
    except EdgekitError:
        return ()  # opened again with the model, which then says what is wrong


def _notes(session: Session) -> list[str]:
    """What must be known before a number is read."""
    from edgekit.device_kinds import is_float_kind
    from edgekit.runtime.system import MAX_PERFORMANCE, governor

    notes = list(session.notes)
    if session.device.kind != "bpu":
        return [*notes, FLOAT_NOTE if is_float_kind(session.device.kind) else SIM_NOTE]
    current = governor()
    if not current:
        notes.append("governor: not available, so the clocks may have changed while measuring")
    elif current != "performance":
        notes.append(f"the governor is {current!r}, not 'performance': for stable numbers run {MAX_PERFORMANCE}")
    return notes


def _measure_all(args: argparse.Namespace, session: Session) -> list[PerfRun]:
    from edgekit.cli.console import progress_bar
    from edgekit.errors import ConfigError
    from edgekit.runtime.perf import MAX_THREADS, measure

    if not 1 <= args.threads <= MAX_THREADS:
        raise ConfigError(f"--threads is {args.threads}, expected 1..{MAX_THREADS}", hint="2 keep one BPU core busy")
    images = _images(args.source, session.spec)
    runs = []
    with progress_bar() as report:
        for threads in range(1, args.threads + 1):

            def show_progress(stage: str, done: int, total: int, threads: int = threads) -> None:
                report(f"{stage}, {threads} thread{'s' * (threads > 1)}", done, total)

            runs.append(
                measure(
                    session,
                    images,
                    threads=threads,
                    frames=args.frames,
                    warmup=args.warmup,
                    draw=not args.no_draw,
                    progress=show_progress,
                )
            )
    return runs


def _images(source: str | None, spec: ModelSpec) -> Sequence[InputSample]:
    if source is None:
        import numpy as np

        rng = np.random.default_rng(0)
        if not spec.takes_one_image:
            return [_generated(spec, rng) for _ in range(4)]
        return [rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(4)]
    from itertools import islice

    from edgekit.cli.source import open_model_source

    skipped = lambda error: print(f"skipped: {error.message}", file=sys.stderr)  # noqa: E731
    return [frame.sample for frame in islice(open_model_source(source, spec, on_skip=skipped).frames(), MAX_IMAGES)]


def _generated(spec: ModelSpec, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """Noise for every input: pixels for images, numbers around 0 for featuremaps."""
    import numpy as np

    return {
        item.name: rng.integers(0, 256, (480, 640, 3), np.uint8)
        if item.is_image
        else rng.standard_normal(item.shape, np.float32)
        for item in spec.inputs
    }


def _check_hrt(args: argparse.Namespace, session: Session) -> None:
    from edgekit.errors import ConfigError, DeviceError
    from edgekit.runtime.hrt import TOOL, has_hrt

    if args.hrt and session.device.kind != "bpu":
        raise ConfigError("--hrt measures on the board only, this is no board", hint="leave --hrt away here")
    if args.hrt and not has_hrt():
        raise DeviceError(f"{TOOL} is not on PATH", hint="it comes with RDK OS; leave --hrt away without it")


def _vendor_runs(args: argparse.Namespace) -> list[HrtPerf]:
    from edgekit.runtime.hrt import run_hrt_perf

    if not args.hrt:
        return []
    return [run_hrt_perf(_model_file(args), threads=n, frames=args.frames) for n in range(1, args.threads + 1)]


def _model_file(args: argparse.Namespace) -> Path:
    """The model itself: that of the bundle where a bundle was given."""
    from edgekit.bundle import is_bundle, open_bundle

    path = Path(args.model)
    return open_bundle(path).model_path if is_bundle(path) else path


def _figures(args: argparse.Namespace, session: Session) -> Sequence[PublishedValue]:
    """Nothing where this is no board, or no figures of it are here."""
    from edgekit.runtime.published_results import read_reference
    from edgekit.runtime.system import read_board

    if session.device.kind != "bpu":
        return ()
    path = Path(args.reference or REFERENCE_FOLDER)
    if path.is_dir():
        path /= f"{read_board().name or 'unknown'}.json"
        return read_reference(path) if path.is_file() else ()
    return read_reference(path) if args.reference else ()


def _report(
    args: argparse.Namespace,
    session: Session,
    runs: Sequence[PerfRun],
    vendor: Sequence[HrtPerf],
    comparisons: Sequence[PublishedComparison],
    notes: list[str],
) -> dict[str, Any]:
    from dataclasses import asdict

    from edgekit.records import envelope
    from edgekit.runtime.system import describe_machine

    return {
        **envelope("perf"),
        "model": _model_file(args).name,
        "task": session.spec.task,
        "march": session.spec.march,
        "device": session.device.kind,
        "simulated": session.device.kind != "bpu",
        "images": args.source or "generated",
        "conf": args.conf,
        "iou": args.iou,
        "warmup": args.warmup,
        "machine": describe_machine(),
        "runs": [run.to_dict() for run in runs],
        "hrt_model_exec": [asdict(row) for row in vendor],
        "comparison": [asdict(row) for row in comparisons],
        "notes": notes,
    }


def _rows(runs: Sequence[PerfRun]) -> list[dict[str, Any]]:
    """One flat row per number of threads and stage; `total` is the whole way of a frame."""
    return [
        {
            "threads": run.threads,
            "stage": stage,
            **{f"{name}_ms": round(getattr(latency, name), 3) for name in ("p50", "p90", "p99", "mean")},
            "fps": round(run.fps, 2),
            "cpu_percent": round(run.cpu_percent, 1),
            **{name: round(value, 2) for name, value in run.sensors.items()},
        }
        for run in runs
        for stage, latency in {**run.stages, "total": run.total}.items()
    ]


def _write_csv(path: Path, runs: Sequence[PerfRun]) -> None:
    from edgekit.files import atomic_path

    rows = _rows(runs)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _print_tables(
    session: Session,
    runs: Sequence[PerfRun],
    vendor: Sequence[HrtPerf],
    comparisons: Sequence[PublishedComparison],
    report: dict[str, Any],
) -> None:
    from edgekit.cli.console import print_table

    columns = ("threads", "stage", "p50", "p90", "p99")
    cells = [(str(r["threads"]), r["stage"], r["p50_ms"], r["p90_ms"], r["p99_ms"]) for r in _rows(runs)]
    print_table(f"{report['model']} on {report['device']}: ms per frame", columns, cells)
    for run in runs:
        print(
            f"{run.threads} thread{'s' * (run.threads > 1)}: {run.fps:.1f} frames/s, CPU {run.cpu_percent:.0f} % "
            f"(100 is one core), {run.objects_per_frame:.1f} objects per frame"
            + (f", {run.batch} images per call" if run.batch > 1 else "")
        )
        sensors = ", ".join(f"{name} {value:.1f}" for name, value in run.sensors.items())
        print(f"  sensors: {sensors or 'not available'}")
    for row in vendor:
        print(
            f"hrt_model_exec, {row.threads} threads: {row.latency_ms:.2f} ms, {row.fps:.1f} frames/s (BPU task alone)"
        )
    for compared in comparisons:
        figure = compared.figure
        print(
            f"{figure.metric} with {figure.threads} threads: {compared.measured:.1f}, published {figure.value:.1f} "
            f"({figure.source}): {compared.verdict}"
        )
    if session.device.kind == "bpu" and not comparisons:
        print("published figures for this model and board: not available")

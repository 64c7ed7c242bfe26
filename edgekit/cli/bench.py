"""`edgekit bench`: models, input sizes, threads and devices measured alike, in one table."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

from edgekit.cli.console import print_json, progress_bar, say_replaced
from edgekit.cli.earlier import refuse_others_files, with_sidecars
from edgekit.cli.options import add_json, add_output, add_overwrite, add_thresholds, add_workers

DEFAULT_OUTPUT = Path("edgekit_bench")
DEVICES_HELP = (
    "auto (what the file asks for), bpu, sim, hbdk-sim, or for float models a provider of onnxruntime: cpu, cuda, "
    "tensorrt, directml, openvino, coreml, ..., of several devices one by its index (cuda:0, or 0,1 for two rows). "
    "Refused where it is not on this machine; never replaced"
)
BATCH_HELP = "images that go through a float model at once; auto doubles from 1 until memory ends, which is a row, too"
THREADS_HELP = (
    "on cpu and sim: threads that compute one frame, frames one after another (default: all cores); "
    "on an accelerator (bpu, cuda, ...): frames on their way at once (default 1)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        required=True,
        metavar="M",
        help=".bin, quantized graph, cut heads, float ONNX or bundle",
    )
    parser.add_argument("--device", nargs="+", default=["auto"], metavar="D", help=DEVICES_HELP)
    parser.add_argument(
        "--imgsz",
        nargs="+",
        default=[],
        metavar="H,W",
        help="input sizes, such as 640 or 480,640 (default: each model's own); most exports and everything compiled "
        "have one alone, exports with dynamic=True take any",
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[], metavar="N", help=THREADS_HELP)
    parser.add_argument("--batch", nargs="+", default=[], metavar="N", help=BATCH_HELP)
    parser.add_argument(
        "--precision",
        nargs="+",
        default=[],
        choices=("float32", "float16", "int8"),
        help="of float models float32 and a float16 twin, of compiled ones int8 (default: the file's own)",
    )
    parser.add_argument(
        "--data", type=Path, help="labels for mAP: COCO .json, YOLO dataset .yaml, or a folder per class"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images of a COCO JSON lie; without --data, images to take times on (default: generated)",
    )
    parser.add_argument("--split", default="val", help="split of a YOLO dataset (default val)")
    parser.add_argument("--limit", type=int, metavar="N", help="score the first N images alone")
    parser.add_argument("--frames", type=int, default=100, help="timed frames per cell (default 100)")
    parser.add_argument("--warmup", type=int, default=10, help="frames before timing (default 10)")
    add_thresholds(parser)
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap draws for the intervals (default 1000)")
    add_workers(parser, what=" that score models; times are always taken in this one", default="this process")
    parser.add_argument("--no-plot", action="store_true", help="draw no plot")
    add_output(
        parser,
        "bench.md, .csv, .json, .png and the growing bench.log; an interrupted run resumes there",
        default=str(DEFAULT_OUTPUT),
    )
    add_overwrite(parser, "files in the output folder that no earlier call wrote")
    add_json(parser)
    parser.epilog = (
        "mAP is that of edgekit eval. A cell that cannot be measured is a row that says why: `unfit` (not made for "
        "this size, precision, batch or device), `memory` (the batch is too large for it), `failed`, or `no mAP`. "
        "Exit code: 0 all measured, unfit or at the end of memory, 1 a cell failed, 2 a mistake found before anything "
        "ran."
    )


def parse_batches(values: list[str]) -> list[int]:
    """Parse numbers, or "auto" for the powers of two up to the largest batch."""
    from edgekit.errors import ConfigError
    from edgekit.evaluation.bench.grid import MAX_BATCH

    if values == ["auto"]:
        return [1 << power for power in range(MAX_BATCH.bit_length())]
    for value in values:
        if not value.isdecimal() or len(value) > 9:
            raise ConfigError(f"--batch has {value[:40]!r}, expected numbers or auto", hint="write --batch 1 4 16")
    return [int(value) for value in values]


def _refuse_maps(args: argparse.Namespace) -> None:
    """Raise ConfigError for labels beside a model of maps: the table has no column for its scores."""
    from edgekit.errors import ConfigError, EdgekitError
    from edgekit.evaluation.map_run import map_task

    for model in args.model if args.data is not None else ():
        try:
            task = map_task(model)
        except EdgekitError:
            continue  # a row of the table says why it cannot be read
        if task:
            raise ConfigError(
                f"{model.name} gives maps ({task}), which bench does not score, expected models of objects or classes",
                hint="leave --data out for times alone; edgekit eval scores maps",
            )


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.cli.cut import parse_imgsz
    from edgekit.evaluation.bench.grid import make_grid
    from edgekit.evaluation.bench.measure import BenchOptions
    from edgekit.evaluation.bench.report import KIND
    from edgekit.evaluation.bench.run import BenchData, run_bench
    from edgekit.evaluation.bench.store import CSV_NAME, JSON_NAME, MARKDOWN_NAME, PLOT_NAME
    from edgekit.evaluation.bench.table import text_table
    from edgekit.workers import open_workers

    _refuse_maps(args)
    sizes = [size for size in map(parse_imgsz, args.imgsz) if size is not None]
    cells = make_grid(
        args.model,
        sizes_hw=sizes,
        devices=[name for names in args.device for name in names.split(",")],
        threads=args.threads,
        precisions=args.precision,
        batches=parse_batches(args.batch),
    )

    def resumed(done: int) -> None:
        print(f"resuming an interrupted run: {done} of {len(cells)} cells are measured", file=sys.stderr)

    outputs = [args.output / name for name in (JSON_NAME, CSV_NAME, MARKDOWN_NAME, PLOT_NAME)]
    say_replaced(
        refuse_others_files(
            outputs,
            record=args.output / JSON_NAME,
            is_record=lambda report: str(report.get("schema")).startswith(f"edgekit.{KIND}/"),
            inputs=[*with_sidecars(args.model), *filter(None, [args.data, args.images])],
            overwrite=args.overwrite,
        )
    )
    paths = [*args.model, *filter(None, [args.data, args.images])]
    workers = open_workers(args.workers, args.scheduler, paths=paths)
    with progress_bar() as progress, contextlib.closing(workers):
        report, files = run_bench(
            cells,
            args.output,
            data=BenchData(args.data, args.images, args.split, args.limit),
            options=BenchOptions(args.frames, args.warmup, args.conf, args.iou, args.resamples),
            workers=workers,
            plot=not args.no_plot,
            progress=progress,
            on_resume=resumed,
        )
    if args.json:
        print_json("bench", report.to_dict())
        return report.exit_code
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(text_table(report, width=width))
    print(f"written: {', '.join(str(path) for path in files)}")
    return report.exit_code

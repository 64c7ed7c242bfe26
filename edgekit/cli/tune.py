"""`edgekit tune`: find the cheapest setting that keeps the accuracy, and write it for any compiler."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar
from edgekit.cli.options import add_input, add_json, add_march, add_output, add_seed, add_workers

if TYPE_CHECKING:
    from edgekit.evaluate.bootstrap import Interval
    from edgekit.tune.records import Scored, Step
    from edgekit.tune.report import Tuned

SHOWN_UNITS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="a stock export, or a cut model")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="CAL", help="images to calibrate with, as `calibrate` takes them"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="VAL",
        help="labelled images to choose by: COCO .json or YOLO dataset .yaml; without them the agreement with the "
        "float model decides",
    )
    parser.add_argument("--split", default="val", help="split of a YOLO dataset (default val)")
    parser.add_argument("--images-dir", type=Path, metavar="DIR", help="where the images of a COCO JSON lie")
    parser.add_argument(
        "--budget",
        type=float,
        default=30,
        metavar="MINUTES",
        help="how thorough: the plan that takes about so long on a two-core computer (default 30)",
    )
    parser.add_argument(
        "--retention", type=float, default=0.99, metavar="SHARE", help="of every metric to keep (default 0.99)"
    )
    parser.add_argument(
        "--max-extra-cost",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="most time that 16-bit places may add on the board, estimated (default 0.25; 0: int8 alone)",
    )
    add_input(parser)
    add_march(parser)
    add_seed(parser, "the order of the images")
    add_workers(parser)
    add_output(parser, "folder of the tuned model and the report", default="edgekit_tune")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.errors import ConfigError
    from edgekit.tune.run import tune

    if args.scheduler and args.workers:
        raise ConfigError(
            f"--workers {args.workers} and --scheduler {args.scheduler} were both given, expected one of them",
            hint="a Dask cluster has its own number of workers: leave --workers out",
        )
    with progress_bar() as progress:
        tuned = tune(
            args.model,
            args.images,
            args.output,
            data=args.data,
            split=args.split,
            images_dir=args.images_dir,
            minutes=args.budget,
            retention=args.retention,
            max_extra_cost=args.max_extra_cost,
            input_kind=args.input,
            march=args.march,
            seed=args.seed,
            workers=args.workers,
            scheduler=args.scheduler,
            progress=progress,
        )
    print_json(tuned.to_dict()) if args.json else _print(tuned)
    return 0


def _print(tuned: Tuned) -> None:
    from edgekit.next_command import edgekit_command

    columns = ["what", "output error", "where objects are", "time on the board (estimate)", "tried"]
    print_table("steps", columns, [[step.what, *_errors(step), str(step.tried)] for step in tuned.steps])
    if tuned.front:
        print_table("what 16 bits bring", columns[:-1], [[step.what, *_errors(step)] for step in tuned.front])
    units = [
        [
            unit.node,
            unit.op,
            f"{unit.loss_alone:.3f}",
            _gain(unit.gain_float),
            _gain(unit.gain_int16),
            f"{100 * unit.extra_cost:.1f} %",
        ]
        for unit in tuned.units[:SHOWN_UNITS]
    ]
    columns = ["node", "what", "loss alone in 8 bits", "gain alone in float", "in 16 bits", "cost of 16"]
    print_table(f"the {len(units)} most sensitive of {len(tuned.units)} places", columns, units)
    print_table("simulated, on the tuning images", *_scores(tuned))
    outputs = [[name, _ratio(measurement)] for name, measurement in tuned.ratios]
    print_table("error over the untuned default's", ["output", "ratio [95 %]"], outputs)
    for note in tuned.notes:
        print(f"note: {note}")
    if not tuned.met:
        print("warning: not every wish could be met; this is the best that was found")
    print(f"tuned: {tuned.yaml}")
    print(f"next: {edgekit_command('compile', tuned.yaml)}")


def _errors(step: Step) -> list[str]:
    return [f"{step.error:.4f}", f"{step.seen_error:.4f}", f"{100 * step.extra_cost:+.1f} %"]


def _gain(gain: float | None) -> str:
    return "-" if gain is None else f"{gain:+.3f}"


def _scores(tuned: Tuned) -> tuple[list[str], list[list[str]]]:
    kinds = list(tuned.chosen.kept)
    columns = ["build", *(f"{kind} kept" for kind in kinds), "disagreement with float", "over untuned"]
    rows = [
        [
            name,
            *(_kept(scored, kind) for kind in kinds),
            f"{100 * scored.disagreement:.1f} %",
            _ratio(scored.disagreement_over(tuned.untuned)),
        ]
        for name, scored in (("untuned default", tuned.untuned), ("tuned", tuned.chosen))
    ]
    return columns, rows


def _kept(scored: Scored, kind: str) -> str:
    measurement = scored.report["kept"][kind]
    low, high = (math.nan if measurement[name] is None else 100 * measurement[name] for name in ("low", "high"))
    return f"{100 * measurement['value']:.1f} % [{low:.1f}, {high:.1f}]"


def _ratio(measurement: Interval) -> str:
    return f"{measurement.value:.2f} [{measurement.low:.2f}, {measurement.high:.2f}]"

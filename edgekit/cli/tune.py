"""`edgekit tune`: find the cheapest candidate that keeps the accuracy, and write it for any compiler."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar
from edgekit.cli.options import add_input, add_json, add_march, add_output, add_seed, add_workers

if TYPE_CHECKING:
    from edgekit.evaluation.bootstrap import Interval
    from edgekit.tuning import SearchStep, Trial, TuneResult

SHOWN_POINTS = 8


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
        "--minutes",
        type=float,
        default=30,
        metavar="N",
        help="how thorough: the plan that takes about so long on a two-core computer (default 30)",
    )
    parser.add_argument(
        "--learn",
        type=float,
        metavar="MINUTES",
        help="learn bounds, weights and biases from the images of --images for about so long before any int16, at no "
        "cost on the board (needs torch; 20 for a nano model at 640)",
    )
    parser.add_argument(
        "--retention", type=float, default=0.99, metavar="SHARE", help="of every metric to keep (default 0.99)"
    )
    parser.add_argument(
        "--max-extra-cost",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="most time that int16 layers may add on the board, estimated (default 0.25; 0: the frame gets no longer)",
    )
    parser.add_argument(
        "--max-extra-ms", type=float, metavar="MS", help="the same in milliseconds a frame, by the static estimate"
    )
    parser.add_argument("--fps", type=float, metavar="N", help="least frames per second, by the static estimate")
    parser.add_argument(
        "--prove",
        action="store_true",
        help="compile the choice with the vendor's compiler at O3, and choose again by what its frame takes: two to "
        "four builds, minutes each",
    )
    add_input(parser)
    add_march(parser)
    add_seed(parser, "the order of the images")
    add_workers(parser)
    add_output(parser, "folder of the tuned model and the report", default="edgekit_tune")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.tuning import TuneOptions, tune

    options = TuneOptions(
        data=args.data,
        split=args.split,
        images_dir=args.images_dir,
        minutes=args.minutes,
        retention=args.retention,
        max_extra_cost=args.max_extra_cost,
        max_extra_ms=args.max_extra_ms,
        fps=args.fps,
        prove=args.prove,
        learn=args.learn,
        input_kind=args.input,
        march=args.march,
        seed=args.seed,
        workers=args.workers,
        scheduler=args.scheduler,
    )
    with progress_bar() as progress:
        result = tune(args.model, args.images, args.output, options, progress=progress)
    print_json("tuning", result.to_json()) if args.json else _print(result)
    return 0


def _print(result: TuneResult) -> None:
    columns = ["change", "output error", "detection error", "int16 adds", "frame (static estimate)", "tried"]
    print_table("steps", columns, [[step.change, *_errors(step), str(step.tried)] for step in result.steps])
    if result.front:
        print_table("what int16 brings", columns[:-1], [[step.change, *_errors(step)] for step in result.front])
    points = [
        [
            point.node,
            point.op,
            f"{point.loss_alone:.3f}",
            _gain(point.gain_float),
            _gain(point.gain_int16),
            f"{100 * point.extra_cost:.1f} %" + ("" if point.extra_ms is None else f", {point.extra_ms:.2f} ms"),
        ]
        for point in result.points[:SHOWN_POINTS]
    ]
    columns = ["node", "operations", "loss alone in int8", "gain alone in float", "in int16", "cost of int16"]
    print_table(f"the {len(points)} most sensitive of {len(result.points)} layers", columns, points)
    print_table("simulated, on the tuning images", *_scores(result))
    outputs = [[name, _ratio(ratio)] for name, ratio in result.ratios]
    print_table("error over the untuned default's", ["output", "ratio [95 %]"], outputs)
    if result.proofs:
        chosen = result.chosen.step.candidate
        rows = [
            [
                proof.change + (" (taken)" if proof.candidate == chosen else ""),
                _milliseconds(proof.estimated_ms),
                _milliseconds(proof.compiled_ms),
                _off(proof.off),
            ]
            for proof in result.proofs
        ]
        print_table("compiled at O3", ["candidate", "static estimate", "compiled", "estimate off by"], rows)
    elif result.band is not None:
        print(
            f"milliseconds are static estimates, within {100 * result.band:.0f} % for nine of ten builds; "
            "--prove compiles the choice"
        )
    _print_end(result)


def _print_end(result: TuneResult) -> None:
    from edgekit.next_command import edgekit_command
    from edgekit.tuning.page import PAGE_NAME

    for note in result.notes:
        print(f"note: {note}")
    if not result.targets_met:
        print("warning: not every target could be reached; this is the nearest candidate")
    print(f"tuned: {result.yaml}")
    print(f"page: {result.yaml.parent / PAGE_NAME}, to look at: settings, images, layers")
    print(f"next: {edgekit_command('compile', result.yaml)}")


def _errors(step: SearchStep) -> list[str]:
    frame = _milliseconds(step.milliseconds)
    return [f"{step.error:.4f}", f"{step.weighted_error:.4f}", f"{100 * step.extra_cost:+.1f} %", frame]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"


def _off(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f} %"


def _gain(gain: float | None) -> str:
    return "-" if gain is None else f"{gain:+.3f}"


def _scores(result: TuneResult) -> tuple[list[str], list[list[str]]]:
    kinds = list(result.chosen.kept)
    columns = ["build", *(f"{kind} kept" for kind in kinds), "disagreement with float", "over untuned"]
    rows = [
        [
            name,
            *(_kept(trial, kind) for kind in kinds),
            f"{100 * trial.disagreement:.1f} %",
            _ratio(trial.disagreement_over(result.untuned)),
        ]
        for name, trial in (("untuned default", result.untuned), ("tuned", result.chosen))
    ]
    return columns, rows


def _kept(trial: Trial, kind: str) -> str:
    share = trial.report["kept"][kind]
    low, high = (math.nan if share[name] is None else 100 * share[name] for name in ("low", "high"))
    return f"{100 * share['value']:.1f} % [{low:.1f}, {high:.1f}]"


def _ratio(ratio: Interval) -> str:
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"

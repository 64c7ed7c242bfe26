"""`edgekit calibrate`: choose images, write the calibration set, the cut model and the PTQ yaml."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import print_json, progress_bar
from edgekit.cli.options import add_checkpoint_export, add_input, add_json, add_march, add_output, add_seed
from edgekit.cli.preprocessing import add_preprocessing, cut_options

if TYPE_CHECKING:
    from edgekit.calibration.pipeline import CalibrationSet

SHOWN = 5  # dropped images named one by one
FIT_WORDS = {"pad": "letterboxed", "crop": "cropped", "stretch": "stretched"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--model", type=Path, required=True, metavar="M", help="a stock ONNX, a cut model, or a trainer's .pt"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="SOURCE",
        help="a folder, glob, list (.txt), COCO JSON, YOLO dataset yaml (its train split) or a video; for a model that "
        "takes more than one image or none, a folder of .npz, of .npy, or with a folder per input",
    )
    parser.add_argument("--images-dir", type=Path, metavar="DIR", help="where the images of a COCO JSON lie")
    add_choice_arguments(parser)
    parser.add_argument(
        "--calibration",
        choices=("default", "max", "kl"),
        default="default",
        help="how the compiler finds its thresholds; default searches",
    )
    parser.add_argument("--max-percentile", type=float, metavar="P", help="with --calibration max, e.g. 0.9999")
    _add_refinement(parser)
    add_checkpoint_export(parser)
    add_seed(parser, "random selection, and of sampling very large sources")
    add_output(parser, "an empty or new folder", metavar="WORK", required=True)
    add_json(parser)


def _add_refinement(parser: argparse.ArgumentParser) -> None:
    """What is done to the float graph besides cutting it."""
    parser.add_argument(
        "--bias-correction",
        action="store_true",
        help="let biases take back what rounding the weights to int8 shifts on average",
    )
    parser.add_argument(
        "--round-weights",
        action="store_true",
        help="round weights to int8 with error compensation on the calibration images (GPTQ); corrects biases, too",
    )
    parser.add_argument(
        "--clips",
        type=float,
        nargs="?",
        const=0.9999,
        metavar="P",
        help="Clips behind convolutions that keep this share of their values, by the positive side (default 0.9999); "
        "compare with edgekit eval --against the stock ONNX, or let edgekit tune choose",
    )


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, for which input and board: the choices that `edgekit deploy` offers as well."""
    parser.add_argument("--num", type=int, default=50, help="how many images (default 50)")
    parser.add_argument(
        "--select",
        choices=("diverse", "random", "first"),
        default="diverse",
        help="diverse (default): spread over brightness, colour, texture and layout, near-duplicates left out",
    )
    add_input(parser)
    add_march(parser)
    add_preprocessing(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.calibration.pipeline import calibrate
    from edgekit.cli.cut import parse_imgsz
    from edgekit.folding.refine import Refinement
    from edgekit.integrations.checkpoint_export import as_onnx
    from edgekit.sim.compiler.supported import support_warning

    imgsz_hw = parse_imgsz(args.imgsz)
    with progress_bar() as progress:
        result = calibrate(
            as_onnx(args.model, args.output, python=args.python, imgsz_hw=imgsz_hw, progress=progress),
            args.images,
            args.output,
            num=args.num,
            select=args.select,
            input_kind=args.input,
            march=args.march,
            calibration=args.calibration,
            max_percentile=args.max_percentile,
            seed=args.seed,
            images_dir=args.images_dir,
            refinement=Refinement(
                bias_correction=args.bias_correction, round_weights=args.round_weights, clips=args.clips
            ),
            cut_options=cut_options(args),
            progress=progress,
        )
    warning = support_warning(result.model_path, result.spec)
    print_json("calibration", _report(result, warning)) if args.json else _print(result, warning)
    return 0


def _report(result: CalibrationSet, warning: str) -> dict[str, Any]:
    from dataclasses import asdict

    from edgekit.next_command import edgekit_command

    return {
        "work": str(result.folder),
        "model": str(result.model_path),
        "yaml": str(result.yaml_path),
        "manifest": str(result.manifest_path),
        "source": result.source_kind,
        "reused": result.reused,
        "task": result.spec.task,
        "input_size": list(result.spec.preprocess.size_wh),
        "offered": result.selection.offered,
        "looked_at": result.selection.looked_at,
        "chosen": list(result.names),
        "dropped": [asdict(item) for item in result.selection.dropped],
        "warnings": [asdict(item) for item in result.warnings],
        "notes": [*result.notes, *([warning] if warning else [])],
        "next": edgekit_command("compile", result.yaml_path),
    }


def _print(result: CalibrationSet, warning: str) -> None:
    from edgekit.next_command import edgekit_command

    selection = result.selection
    width, height = result.spec.preprocess.size_wh
    state = "is already done" if result.reused else "written"
    if result.samples:
        inputs = ", ".join(f"{item.name} ({item.kind})" for item in result.spec.inputs)
        print(f"{result.folder} {state}: {len(result.samples)} of {selection.offered} samples of {inputs}")
    else:
        print(f"{result.folder} {state}: {len(result.names)} of {selection.offered} images ({result.source_kind}),")
        print(f"  {FIT_WORDS[result.spec.preprocess.fit]} to {width}x{height}; {selection.looked_at} looked at")
    for reason in ("near-duplicate", "undecodable", "missing"):
        _print_dropped(reason, [item for item in selection.dropped if item.reason == reason])
    for warned in result.warnings:
        print(f"warning: {warned.message}\n  {warned.advice}")
    if warning:
        print(f"warning: {warning}")
    for note in result.notes:
        print(f"note: {note}")
    print(f"next: {edgekit_command('compile', result.yaml_path)}")


def _print_dropped(reason: str, dropped: list[Any]) -> None:
    if not dropped:
        return
    print(f"  {len(dropped)} dropped as {reason}:")
    for item in dropped[:SHOWN]:
        print(f"    {item.name}: {item.detail}")
    if len(dropped) > SHOWN:
        print(f"    and {len(dropped) - SHOWN} more, all in manifest.json")

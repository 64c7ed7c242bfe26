"""`edgekit demo`: the whole way on shipped material, to see what edgekit does before bringing an own model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.console import print_json, print_table, progress_bar
from edgekit.cli.options import add_json, add_output

if TYPE_CHECKING:
    from edgekit.demo.run import DemoResult

DEFAULT_OUTPUT = Path("edgekit_demo")
NEXT_STEPS = (
    "edgekit calibrate --model yolov8n-seg.onnx --images IMAGES -o work",
    "edgekit compile work/*.yaml",
    "edgekit run --model work/model_output/*_modified.bin --source image.jpg",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    add_output(parser, "a new folder, or an earlier demo's, which is replaced", default=str(DEFAULT_OUTPUT))
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.demo.run import run_demo

    with progress_bar() as progress:
        result = run_demo(args.output, progress=progress)
    print_json("demo", _report(result)) if args.json else _print(result)
    return 0


def _report(result: DemoResult) -> dict[str, Any]:
    from edgekit.demo.run import metrics_to_dict

    return {
        "device": result.device,
        "simulated": result.compiled.simulated,
        "output": str(result.out),
        "heads": str(result.calibrated.model_path),
        "yaml": str(result.calibrated.yaml_path),
        "bin": str(result.compiled.bin_path),
        "log": str(result.compiled.log_path),
        "images": [{"image": str(path), "objects": count} for path, count in result.objects.items()],
        **metrics_to_dict(result.measured),
        "seconds": result.seconds,
        "next": list(NEXT_STEPS),
    }


def _print(result: DemoResult) -> None:
    from edgekit.demo.run import MIN_IOU, TRUE_IOU
    from edgekit.evaluation.agreement import CONFIDENT

    measured = result.measured
    folder = next(iter(result.objects)).parent
    print(f"heads     {_shown(result.calibrated.model_path)}, cut from the shipped demo_seg.onnx")
    print(f"yaml      {_shown(result.calibrated.yaml_path)}, with its calibration data")
    print(f"int8      {_shown(result.compiled.bin_path)}, by the built-in simulated compiler")
    print(f"images  {len(result.objects)} in {_shown(folder)}, with {sum(result.objects.values())} objects drawn")
    rows = sorted(measured.output_cosines.items())
    print_table("", ("output", "cosine of float and int8"), rows)
    agreement = measured.agreement
    print(
        f"matched by int8: {agreement.count} of {agreement.total} objects of the float model ({agreement.share:.1%}; "
        f"score >= {CONFIDENT}, same class, box IoU >= {MIN_IOU})"
    )
    detected, kept = measured.true_float, measured.true_int8
    print(
        f"objects in the scenes: {detected.total}; float detects {detected.count}, int8 {kept.count} "
        f"(same class, box IoU >= {TRUE_IOU})"
    )
    print(f"time: {sum(result.seconds.values()):.0f} s on this computer")
    print("The device was SIMULATED: its integers are those of the int8 graph, its speed says nothing about a board.")
    print("next, with your own model and images:")
    for step in NEXT_STEPS:
        print(f"  {step}")


def _shown(path: Path) -> str:
    """As the user would type it: relative where it lies below the current folder."""
    absolute = path.resolve()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)

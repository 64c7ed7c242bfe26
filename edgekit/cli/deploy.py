"""`edgekit deploy`: from a stock ONNX and images to a bundle for the board, in one go."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.calibrate import add_choice_arguments
from edgekit.cli.options import add_checkpoint_export, add_json, add_output
from edgekit.cli.preprocessing import cut_options

if TYPE_CHECKING:
    from edgekit.deploy.pipeline import Deployed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command: those of calibrate and compile that matter to everybody."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a stock ONNX, a cut model, or a trainer's .pt")
    parser.add_argument("--images", type=Path, required=True, metavar="SOURCE", help="images to calibrate with")
    add_output(parser, "a new folder for the bundle", metavar="BUNDLE", required=True)
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the build is kept (default: BUNDLE_work)")
    add_choice_arguments(parser)
    add_checkpoint_export(parser)
    parser.add_argument("--toolchain", default="auto", metavar="NAME", help="auto (default), hb_mapper, docker or sim")
    parser.add_argument("--optimize", metavar="LEVEL", help="O0 to O3 in place of the yaml's optimize_level")
    add_json(parser, "what was made")


def run(args: argparse.Namespace) -> int:
    """Make the bundle and says what is in it and what to type next."""
    from edgekit.cli.console import print_json, progress_bar
    from edgekit.cli.cut import parse_imgsz
    from edgekit.deploy.pipeline import deploy

    with progress_bar() as progress:
        done = deploy(
            args.model,
            args.images,
            args.output,
            work=args.work,
            num=args.num,
            select=args.select,
            input_kind=args.input,
            march=args.march,
            toolchain=args.toolchain,
            optimize=args.optimize,
            python=args.python,
            imgsz_hw=parse_imgsz(args.imgsz),
            cut_options=cut_options(args),
            progress=progress,
        )
    print_json("deploy", _as_dict(done)) if args.json else _print(done)
    return 0


def _as_dict(done: Deployed) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "bundle": str(done.bundle.folder),
        "archive": str(done.bundle.archive),
        "work": str(done.work),
        "toolchain": done.build.toolchain,
        "simulated": done.build.simulated,
        "reused": done.build.reused,
        "members": [asdict(member) for member in done.bundle.members],
        "seconds": dict(done.seconds),
        "notes": list(done.build.notes),
    }


def _print(done: Deployed) -> None:
    from edgekit.cli.console import print_table
    from edgekit.next_command import edgekit_command, trial_command

    rows = [(m.part, m.name, f"{m.bytes / 1e6:.2f} MB") for m in done.bundle.members]
    print_table(f"{done.bundle.folder}", ("part", "file", "size"), rows)
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in done.seconds.items() if "." not in name)
    print(f"{times}; compiled by {done.build.toolchain}{', reused' if done.build.reused else ''}")
    for note in done.build.notes:
        print(f"  {note}")
    print(f"archive: {done.bundle.archive}\nbuild and calibration set are kept in {done.work}")
    if done.build.simulated:
        print("simulated: this bundle runs off the board only; edgekit toolchain install compiles for the board")
        print(f"next: {trial_command(done.bundle.archive, done.work)}")
    else:
        folder = done.bundle.folder
        print(f"to a board in the network: {edgekit_command('push', 'root@BOARD', folder)}")
        carried = folder.with_name(f"{folder.name}_board")
        print(f"next: {edgekit_command('push', '--folder', carried, folder)}")

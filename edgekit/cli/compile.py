"""`edgekit compile`: a PTQ yaml to an int8 .bin, by the vendor's toolchain or the built-in simulated compiler."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.options import add_json, add_overwrite

if TYPE_CHECKING:
    from edgekit.compilation.build import CompileResult

WORST_NODES = 5
WORST_BELOW = 0.99  # nodes nearer to the float model than this are no news


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("yaml", type=Path, help="the PTQ yaml in the work folder of edgekit calibrate")
    parser.add_argument(
        "--toolchain",
        default="auto",
        metavar="NAME",
        help="auto (the real one where it is installed, else sim), sim, hb_mapper or docker; default: %(default)s",
    )
    parser.add_argument(
        "--optimize",
        metavar="LEVEL",
        help="O0 to O3 in place of the yaml's optimize_level (the simulated compiler makes no instructions)",
    )
    add_overwrite(parser, "files in working_dir that no build of edgekit left there")
    add_json(parser, "the result")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.cli.console import print_json, progress_bar
    from edgekit.compilation.build import compile_model

    with progress_bar() as progress:
        result = compile_model(
            args.yaml,
            toolchain=args.toolchain,
            optimize=args.optimize,
            overwrite=args.overwrite,
            progress=progress,
        )
    if args.json:
        print_json("build", as_dict(result))
    else:
        _print(result, work=args.yaml.parent, requested=args.toolchain)
    return 0


def as_dict(result: CompileResult) -> dict[str, Any]:
    """The result as plain JSON values."""
    return {
        "toolchain": result.toolchain,
        "simulated": result.simulated,
        "reused": result.reused,
        "files": {part: str(path) for part, path in result.files.items()},
        "output_cosines": dict(result.output_cosines),
        "node_cosines": dict(result.node_cosines),
        "notes": list(result.notes),
    }


def worst_nodes(result: CompileResult) -> list[tuple[str, float]]:
    """The nodes furthest from the float model, worst first."""
    low = [(name, cosine) for name, cosine in result.node_cosines.items() if cosine < WORST_BELOW]
    return sorted(low, key=lambda row: row[1])[:WORST_NODES]


def _source_word(result: CompileResult) -> str:
    """What stands for the source in the command to type next: an image, or arrays for a model that takes them."""
    from edgekit.spec import load_spec

    sidecar = result.files.get("bin_sidecar")
    return "IMAGE" if sidecar is None or load_spec(sidecar).takes_one_image else "SAMPLE.npz"


def _print(result: CompileResult, *, work: Path, requested: str) -> None:
    from edgekit.cli.console import print_table
    from edgekit.compilation.registry import why_simulated
    from edgekit.next_command import edgekit_command, trial_command

    how = "simulated: runs off the board only" if result.simulated else "for the board"
    verb = "reused, nothing has changed" if result.reused else "compiled"
    print(f"{verb} by {result.toolchain} ({how})")
    if requested == "auto" and result.simulated:
        print(f"  the real toolchain was not taken: {why_simulated()}")
    for note in result.notes:
        print(f"  {note}")
    if result.output_cosines:
        print_table("Outputs", ("output", "cosine with the float model"), list(result.output_cosines.items()))
    if worst := worst_nodes(result):
        print_table("Furthest nodes", ("node", "cosine with the float model"), worst)
    for part in ("bin", "modified_bin", "quantized", "log"):
        if part in result.files:
            print(f"{part}: {result.files[part]}")
    model = result.modified_bin_path or result.bin_path
    if result.simulated:
        print(f"next: {trial_command(model, work)}")
    else:  # the .bin runs on a board, its integer graph here
        source = _source_word(result)
        print(f"on the board: {edgekit_command('run', '--model', Path(model.name), '--source', source)}")
        print(f"next: {trial_command(result.quantized_path, work)}")

"""`edgekit verify`: every execution of a model against every other, integer by integer."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from edgekit.cli.options import add_json, add_workers

ORACLES = ("hb_mapper",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", type=Path, help="a *_quantized_model.onnx, a simulated .bin or a real .bin")
    parser.add_argument(
        "--images", type=Path, help="image, folder, glob, list, COCO JSON or dataset yaml (default: generated frames)"
    )
    parser.add_argument("--num", type=int, default=1, help="frames to compare (default: 1)")
    parser.add_argument(
        "--oracle", choices=ORACLES, help="compare with the vendor's executor, too (needs the toolchain)"
    )
    parser.add_argument("--stats", action="store_true", help="range used and saturated share of every tensor")
    parser.add_argument("--profile", action="store_true", help="time per operator of the fast execution")
    add_workers(parser, what=" that compare frames", default="this process")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """0: not one element differs; 1: some do."""
    from edgekit.cli.console import print_json, progress_bar
    from edgekit.errors import ConfigError
    from edgekit.sim.verify_model import verification_to_dict, verify_model
    from edgekit.workers import open_workers

    if args.num < 1:
        raise ConfigError(f"--num is {args.num}, expected 1 or more", hint="remove it for one frame")
    paths = [args.model.absolute()] if args.scheduler else []
    with (
        contextlib.closing(open_workers(args.workers, args.scheduler, paths=paths)) as workers,
        progress_bar() as progress,
    ):
        verified = verify_model(
            args.model,
            images=args.images,
            num=args.num,
            oracle=args.oracle,
            stats=args.stats,
            profile=args.profile,
            workers=workers,
            progress=progress,
        )
    if args.json:
        print_json("verification", verification_to_dict(verified))
    else:
        _print(verified)
    return 0 if verified.passed else 1


def _print(verified: Any) -> None:
    from edgekit.cli.console import print_table

    for comparison in verified.comparisons:
        rows: list[tuple[Any, ...]] = [
            (op.op_type, op.tensors, op.elements, op.differing, _remark(op)) for op in comparison.ops
        ]
        if rows:
            print_table(comparison.kind, ("operator", "tensors", "elements", "differing", ""), rows)
    if verified.stats:
        rows = [
            (s.name, s.op_type, s.dtype, f"{s.low}..{s.high}", s.range_used, s.saturated, f"{s.scale or 0:.3g}")
            for s in verified.stats
        ]
        print_table("tensors", ("tensor", "operator", "dtype", "values", "range used", "saturated", "scale"), rows)
    if verified.profile:
        rows = [(t.op_type, t.nodes, t.milliseconds) for t in verified.profile]
        print_table("time per frame, fast", ("operator", "steps", "ms"), rows)
    for note in verified.notes:
        print(f"note: {note}")
    for comparison in verified.comparisons:
        verdict = "equal" if not comparison.differing else f"{comparison.differing} DIFFER"
        print(f"{comparison.kind}: {comparison.elements} elements, {verdict}")


def _remark(op: Any) -> str:
    return f"float, up to {op.largest:.3g} tolerated" if op.inexact and op.differing else ""

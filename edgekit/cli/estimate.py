"""The `estimate` command: frames per second and milliseconds of a model before any board or vendor toolchain."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.options import add_json, add_output

if TYPE_CHECKING:
    from edgekit.latency.estimate import Estimate
    from edgekit.latency.parameters import LatencyParameters

EPILOG = """\
examples:
  edgekit estimate model_quantized_model.onnx       frames per second, milliseconds, the ten slowest layers
  edgekit estimate model.bin --layers               every layer, with what bounds it
  edgekit estimate model.bin --json -o static.json  for other tools (schema edgekit.estimate/1)

The figures are static estimates of the compiler's own static estimate: a frame on one BPU at full clock.
"""
TOP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `edgekit estimate`."""
    from edgekit.latency.board import OFFSETS_MS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "model", type=Path, help="a *_quantized_model.onnx, a simulated .bin, or a real .bin beside its quantized graph"
    )
    parser.add_argument("--task", choices=sorted(OFFSETS_MS), help="the task, where no sidecar says it")
    parser.add_argument("--layers", action="store_true", help="print every layer, not the ten slowest")
    add_json(parser, "the estimate (schema edgekit.estimate/1)")
    add_output(parser, "write the JSON to this new file, too", metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Print the estimate; 0 whenever there is one."""
    from dataclasses import replace

    from edgekit.cli.console import print_json
    from edgekit.files import refuse_replacing, write_json
    from edgekit.latency.as_json import estimate_json
    from edgekit.latency.estimate import estimate_model
    from edgekit.latency.parameters import load_parameters

    if args.output:
        refuse_replacing([args.output], inputs=[args.model], overwrite=False)
    estimate = estimate_model(args.model)
    if args.task:
        estimate = replace(estimate, task=args.task)
    value = estimate_json(estimate, load_parameters(), model=str(args.model))
    if args.output:
        write_json(args.output, value)
    if args.json:
        print_json("estimate", value)
    else:
        _print(estimate, load_parameters(), everything=args.layers)
    return 0


def _print(estimate: Estimate, parameters: LatencyParameters, *, everything: bool) -> None:
    from edgekit.cli.console import print_table
    from edgekit.latency.estimate import time_by_bound

    for line in _headline(estimate, parameters):
        print(line)
    rows = estimate.layers if everything else estimate.slowest(TOP)
    print_table(
        "layers, as they run" if everything else f"the {len(rows)} slowest of {len(estimate.layers)} layers",
        ("layer", "operation", "bits", "bound by", "ms", "share", "KB moved"),
        [
            (
                row.name,
                row.op,
                row.bits,
                row.bound,
                f"{row.frame_us / 1e3:.3f}",
                f"{100 * row.frame_us / estimate.frame_us:.1f} %",
                round((row.load_bytes + row.store_bytes) / 1e3),
            )
            for row in rows
        ],
    )
    parts = (f"{bound} {100 * us / estimate.frame_us:.0f} %" for bound, us in time_by_bound(estimate))
    print(f"what bounds the frame: {', '.join(parts)}")
    for note in estimate.notes:
        print(f"note: {note}")


def _headline(estimate: Estimate, parameters: LatencyParameters) -> list[str]:
    from edgekit.latency.board import board_figures

    board = board_figures(estimate.frame_us, estimate.band, estimate.task)
    single = (
        f"one thread about {board.one_thread_ms:.1f} ms"
        if board.one_thread_ms is not None
        else f"one thread unknown (no offset was measured for {estimate.task or 'an unnamed task'}; --task)"
    )
    return [
        f"static estimate: {estimate.fps:.1f} FPS, {estimate.frame_us / 1e3:.2f} ms a frame "
        f"[{estimate.low_us / 1e3:.2f}, {estimate.high_us / 1e3:.2f}], at least "
        f"{estimate.ddr_bytes / 1e6:.1f} MB of DDR ({parameters.march}, {parameters.compiler})",
        f"board, by measured offsets: two threads {board.two_threads_fps:.0f} FPS "
        f"[{board.low_fps:.0f}, {board.high_fps:.0f}], {single}",
        f"error band: {100 * estimate.band:.0f} %, from builds of families that the fit had not seen",
    ]

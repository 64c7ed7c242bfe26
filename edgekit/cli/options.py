"""Options that several commands have: each declared once, with one name, default and help."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = [
    "DEVICES",
    "INPUTS",
    "add_checkpoint_export",
    "add_device",
    "add_html",
    "add_input",
    "add_json",
    "add_march",
    "add_output",
    "add_overwrite",
    "add_seed",
    "add_thresholds",
    "add_timing",
    "add_workers",
]

INPUTS = ("nv12", "rgb", "bgr", "yuv444", "gray")
DEVICES = (
    "auto (what the file asks for; for float models the GPU with the most free memory, else the CPU), bpu, sim, "
    "hbdk-sim; for float models cpu, cuda, cuda:1 or 1, tensorrt, ..."
)


def add_output(
    parser: argparse.ArgumentParser,
    help: str,
    *,
    metavar: str = "DIR",
    default: str | None = None,
    required: bool = False,
) -> None:
    """Add `-o/--output`, a Path.

    Args:
        parser: Of the command.
        help: What is written there; the default is appended.
        metavar: DIR for a folder, FILE for a file.
        default: The path without the option; None if nothing is written then, or if the command derives it.
        required: Whether the option must be given.
    """
    shown = f"{help} (default: {default})" if default else help
    path = Path(default) if default else None
    parser.add_argument("-o", "--output", type=Path, metavar=metavar, default=path, required=required, help=shown)


def add_overwrite(parser: argparse.ArgumentParser, what: str = "files that exist at the output") -> None:
    """Add `--overwrite`: without it nothing that exists is replaced.

    Args:
        parser: Of the command.
        what: What is replaced.
    """
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def add_json(parser: argparse.ArgumentParser, what: str = "the report") -> None:
    """Add `--json`.

    Args:
        parser: Of the command.
        what: What is printed as JSON.
    """
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON on standard output")


def add_html(parser: argparse.ArgumentParser, what: str = "one self-contained page") -> None:
    """Add `--html`.

    Args:
        parser: Of the command.
        what: What is written, beside what the command prints.
    """
    parser.add_argument("--html", type=Path, metavar="FILE", help=f"also write {what}")


def add_thresholds(parser: argparse.ArgumentParser, *, conf: float | None = 0.25, iou: float | None = 0.7) -> None:
    """Add `--conf` and `--iou`.

    Args:
        parser: Of the command.
        conf: Default score threshold; None if the command derives it.
        iou: Default overlap threshold of the non-maximum suppression; None if the command derives it.
    """
    of_conf, of_iou = (f" (default: {value:g})" if value is not None else "" for value in (conf, iou))
    parser.add_argument("--conf", type=float, default=conf, metavar="SCORE", help=f"score threshold, 0..1{of_conf}")
    parser.add_argument("--iou", type=float, default=iou, help=f"overlap threshold of the NMS, 0..1{of_iou}")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device` with one value."""
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (default: auto)")


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add `--input`: the format in which the board feeds images to the model."""
    parser.add_argument("--input", choices=INPUTS, default="nv12", help="what the board feeds (default: nv12)")


def add_march(parser: argparse.ArgumentParser) -> None:
    """Add `--march`: the generation of the BPU."""
    parser.add_argument(
        "--march",
        default="bayes-e",
        metavar="MARCH",
        help="bayes-e (RDK X5), bayes (RDK Ultra) or bernoulli2 (RDK X3) (default: bayes-e)",
    )


def add_checkpoint_export(parser: argparse.ArgumentParser, *, imgsz: bool = True) -> None:
    """Add `--python` and `--imgsz`: how a trainer's checkpoint (.pt) becomes ONNX.

    Args:
        parser: Of the command.
        imgsz: Whether to add `--imgsz`; a command may have its own.
    """
    parser.add_argument(
        "--python",
        metavar="PYTHON",
        help="for a .pt: the interpreter whose Ultralytics exports it (default: EDGEKIT_ULTRALYTICS_PYTHON, this one, "
        "or the yolo command)",
    )
    if imgsz:
        parser.add_argument("--imgsz", metavar="H,W", help="for a .pt: the input size of the export (default: its own)")


def add_seed(parser: argparse.ArgumentParser, of: str) -> None:
    """Add `--seed`.

    Args:
        parser: Of the command.
        of: What the seed is of; the same seed gives the same result.
    """
    parser.add_argument("--seed", type=int, default=0, help=f"of {of} (default: 0)")


def add_timing(parser: argparse.ArgumentParser, *, frames: int = 200, threads: int = 2) -> None:
    """Add `--frames` and `--threads` of a measurement.

    Args:
        parser: Of the command.
        frames: Default number of frames measured per number of threads.
        threads: Default of the largest number of threads.
    """
    parser.add_argument(
        "--threads", type=int, default=threads, help=f"measure with 1, 2, ... threads (default: {threads})"
    )
    parser.add_argument(
        "--frames", type=int, default=frames, help=f"measured frames per number of threads (default: {frames})"
    )


def add_workers(parser: argparse.ArgumentParser, *, what: str = "", default: str = "one per core") -> None:
    """Add `--workers` and `--scheduler`: where the work of a command runs; the results are the same.

    Args:
        parser: Of the command.
        what: What they do, if not all of the work.
        default: What runs without them.
    """
    parser.add_argument(
        "--workers", type=int, metavar="N", help=f"processes on this computer{what} (default: {default})"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler, such as tcp://host:8786, in place of --workers; it may run any code here and there",
    )

"""The `edgekit` command: finds the module of the command, runs it, prints errors as two lines."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType

from edgekit.errors import EdgekitError
from edgekit.files import UNENCODABLE
from edgekit.install_hints import extra_hint
from edgekit.text import shorten

# Command: (module, one line of help). A module offers `add_arguments(parser)` and `run(args) -> int`
# and imports what is heavy inside its functions, so that `--help` stays fast.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("edgekit.cli.demo", "the whole way on shipped material: cut, calibrate, compile, run"),
    "doctor": ("edgekit.cli.doctor", "show what is installed here and what each gap costs"),
    "toolchain": ("edgekit.cli.toolchain", "install, show or remove the vendor's toolchain"),
    "cut": ("edgekit.cli.cut", "cut a stock ONNX at its head convolutions and write the sidecar"),
    "calibrate": ("edgekit.cli.calibrate", "choose and write a calibration set, with the PTQ yaml"),
    "compile": ("edgekit.cli.compile", "compile a PTQ yaml to an int8 .bin"),
    "estimate": ("edgekit.cli.estimate", "frames per second and milliseconds before the board, layer by layer"),
    "report": ("edgekit.cli.report", "say from a build's logs how good it is and what to do next"),
    "strip": ("edgekit.cli.strip", "remove the Dequantize nodes that we decode more cheaply"),
    "deploy": ("edgekit.cli.deploy", "from stock ONNX and images to a bundle for the board, in one go"),
    "run": ("edgekit.cli.run", "run a model on images, folders, videos or a camera"),
    "replay": ("edgekit.cli.replay", "decode a recording of run --record again, and compare it bit for bit"),
    "verify": ("edgekit.cli.verify", "prove that every execution of a model gives the same integers"),
    "eval": ("edgekit.cli.eval", "measure accuracy: mAP with intervals, and what int8 keeps of float"),
    "compare": ("edgekit.cli.compare", "find the layer where two models part, and the detections it changes"),
    "tune": ("edgekit.cli.tune", "find the setting that keeps the accuracy, and write it for the compiler"),
    "bench": ("edgekit.cli.bench", "models, sizes, threads and devices in one table: mAP, latency, frames/s"),
    "push": ("edgekit.cli.push", "copy a bundle to a board, check versions, try and measure it there"),
    "perf": ("edgekit.cli.perf", "measure latency and throughput by stage and number of threads"),
    "completion": ("edgekit.cli.completion", "print what a shell needs to complete commands and options"),
}
GRAPH_LIMIT, GRAPH_LIMIT_VARIABLE = "--graph-limit", "EDGEKIT_GRAPH_LIMIT"
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_CODES = f"exit codes: 0 done; 1 a gate failed; 2 a mistake, in two lines; {INTERRUPTED} interrupted"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 a gate failed, 2 a mistake of the user."""
    args_in = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be UTF-8, nor the terminal's encoding
        sys.stdout.reconfigure(errors=UNENCODABLE)
    command = next((a for a in args_in if not a.startswith("-")), None)
    module = importlib.import_module(COMMANDS[command][0]) if command in COMMANDS else None
    args = build_parser({} if module is None or command is None else {command: module}).parse_args(args_in)
    if module is None:
        build_parser({}).print_help()
        return 2
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    if getattr(args, "graph_limit", None) is not None:  # checked where the first graph is read; workers inherit it
        os.environ[GRAPH_LIMIT_VARIABLE] = args.graph_limit
    try:
        return int(module.run(args))
    except EdgekitError as error:
        if args.debug:
            raise
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    except ImportError as error:
        if args.debug or (error.name or "").startswith("edgekit"):
            raise
        print(f"error: a library is missing ({error})\nhint: {_missing_hint(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing half-written was left behind", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: edgekit ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if args.debug or error.filename is None:
            raise
        print(
            f"error: {shorten(error.filename, 200)} cannot be used ({error.strerror})\nhint: check the path given",
            file=sys.stderr,
        )
        return 2


def _missing_hint(error: ImportError) -> str:
    """The way out when an import fails: OpenCV without a desktop, or a command of the host part on a board."""
    if "libGL" in str(error) or "libgthread" in str(error):
        return "this machine has no desktop libraries: pip uninstall opencv-python; pip install opencv-python-headless"
    return extra_hint("host")


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: cleanly."""
    raise KeyboardInterrupt


def build_parser(modules: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Args:
        modules: Command -> its module: those whose options are declared; the others are named alone, which is fast.

    Returns:
        The parser.
    """
    parser = argparse.ArgumentParser(
        prog="edgekit",
        description="From a stock YOLO ONNX to an int8 model on the edge board, or on any computer.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and the commit, and exit")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (_, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line, epilog=EXIT_CODES)
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        sub.add_argument(
            GRAPH_LIMIT, metavar="FACTOR", help="let graphs take this many times the usual work and memory"
        )
        if name in modules:
            modules[name].add_arguments(sub)
    return parser


class _ShowVersion(argparse.Action):
    """Prints the version; the commit of a checkout is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *values: object) -> None:
        from edgekit.version import describe_version

        print(f"edgekit {describe_version()}")
        parser.exit()


if __name__ == "__main__":
    raise SystemExit(main())

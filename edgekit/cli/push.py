"""`edgekit push`: a bundle to a board, checked, tried and measured there."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgekit.cli.options import add_json, add_output, add_overwrite, add_timing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("target", nargs="+", metavar="[USER@HOST] BUNDLE", help="the board, and the bundle of deploy")
    parser.add_argument("--folder", metavar="DIR", help="fill this folder to carry over by hand, instead of a host")
    parser.add_argument("--to", default="edgekit", help="folder in the home on the board (default: edgekit)")
    add_timing(parser)
    parser.add_argument("--no-perf", action="store_true", help="stop after the smoke test")
    add_output(parser, "where the board's measurement goes (default: perf.json)", metavar="FILE")
    add_overwrite(parser, "the measurement of an earlier push")
    add_json(parser, "what came back")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.errors import ConfigError

    if len(args.target) != (1 if args.folder else 2):
        raise ConfigError(
            f"{len(args.target)} targets were given, expected " + ("BUNDLE" if args.folder else "USER@HOST BUNDLE"),
            hint="edgekit push root@192.168.1.10 bundle, or edgekit push --folder DIR bundle",
        )
    return _fill(args) if args.folder else _push(args)


def _fill(args: argparse.Namespace) -> int:
    from edgekit.cli.console import print_json
    from edgekit.deploy.remote import fill_folder

    folder = Path(args.folder)
    fill_folder(Path(args.target[0]), folder)
    if args.json:
        print_json(
            "push", {"folder": str(folder), "files": sorted(p.relative_to(folder).as_posix() for p in _files(folder))}
        )
    else:
        print(f"{folder} holds all that the board needs; carry it over, then there:")
        print("  sh install.sh && python3 check.py --model bundle && python3 perf.py --model bundle")
    return 0


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _parts(bundle: Path) -> list[Path]:
    """The bundle's archive, or the files of its folder."""
    return [bundle, *(_files(bundle) if bundle.is_dir() else [])]


def _push(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from edgekit.cli.console import print_json, progress_bar, say_replaced
    from edgekit.deploy.remote import push
    from edgekit.files import refuse_replacing, write_json

    host, bundle = args.target
    out = Path(args.output or "perf.json")
    if not args.no_perf:  # asked before the minutes on the board
        say_replaced(refuse_replacing([out], inputs=_parts(Path(bundle)), overwrite=args.overwrite))
    with progress_bar() as report:
        pushed = push(
            host,
            Path(bundle),
            folder=args.to,
            threads=args.threads,
            frames=args.frames,
            measure=not args.no_perf,
            progress=report,
        )
    if pushed.perf is not None:
        write_json(out, pushed.perf)
    if args.json:
        print_json("push", asdict(pushed))
        return 0
    for check in pushed.checks:
        print(f"{check['state']:4} {check['name']}: {check['value']} (expected {check['expected']})")
    for row in (pushed.perf or {}).get("runs", []):
        infer = row["stages"]["infer"]["p50"]
        print(
            f"{row['threads']} threads: {row['fps']:.1f} frames/s, infer {infer:.2f} ms, {row['cpu_percent']:.0f} % CPU"
        )
    print(f"runs on {host}, in {args.to}" + (f"; its measurement is in {out}" if pushed.perf else ""))
    return 0

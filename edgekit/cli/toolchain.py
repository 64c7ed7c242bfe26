"""`edgekit toolchain install|status|uninstall`: the vendor's toolchain in an environment of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgekit.cli.options import add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command and of its three actions."""
    actions = parser.add_subparsers(dest="action", metavar="install|status|uninstall", required=True)
    install = actions.add_parser("install", help="download it into a private environment, or go on with that")
    install.add_argument("--yes", "-y", action="store_true", help="do not ask before the download")
    install.add_argument("--python", type=Path, metavar="PATH", help="the CPython 3.10 to build on")
    status = actions.add_parser("status", help="what is here, of which version, and how much space it takes")
    add_json(status, "the state")
    uninstall = actions.add_parser("uninstall", help="remove the private environment")
    uninstall.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for action, run_action in ((install, _install), (status, _status), (uninstall, _uninstall)):
        action.set_defaults(run_action=run_action)
        action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the action; returns 0 when it was done, 1 when it was declined or nothing is here."""
    return int(args.run_action(args))


def _install(args: argparse.Namespace) -> int:
    from edgekit.cli.console import progress_bar
    from edgekit.compilation.toolchain.find import private_folder
    from edgekit.compilation.toolchain.install import check_machine, install, read_record
    from edgekit.compilation.toolchain.recipe import DISK_MB

    check_machine()
    record = read_record()
    if not record.complete:
        left_mb = sum(step.download_mb for step in record.remaining)
        print(
            f"The vendor's X5 toolchain (proprietary, from PyPI) goes to {private_folder()}:\n"
            f"about {left_mb} MB to download, {DISK_MB / 1000:.1f} GB on disk. Nothing else is touched.",
            file=sys.stderr,
        )
        if not _confirmed(args.yes):
            return 1
    with progress_bar() as progress:
        versions = install(python=args.python, progress=progress)
    print("installed: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    print("compile with it: edgekit compile WORK/NAME.yaml --toolchain hb_mapper\nnext: edgekit toolchain status")
    return 0


def _status(args: argparse.Namespace) -> int:
    from edgekit.cli.console import print_json, print_table
    from edgekit.compilation.toolchain.status import toolchain_status

    status = toolchain_status()
    if args.json:
        print_json("toolchain", status.to_dict())
    else:
        rows = [(location.kind, "yes" if location.usable else "no", location.detail) for location in status.locations]
        print_table("toolchain", ("where", "usable", "what"), rows)
        print(status.summary)
    return 0 if status.usable else 1


def _uninstall(args: argparse.Namespace) -> int:
    from edgekit.compilation.toolchain.find import private_folder
    from edgekit.compilation.toolchain.install import folder_bytes, uninstall

    folder = private_folder()
    if not folder.is_dir():
        print(f"no private environment in {folder}")
        return 0
    print(f"{folder} ({folder_bytes(folder) / 1e9:.1f} GB) is removed.", file=sys.stderr)
    if not _confirmed(args.yes):
        return 1
    print(f"freed {uninstall() / 1e9:.1f} GB")
    return 0


def _confirmed(yes: bool) -> bool:
    """Whether to go on; without a terminal only --yes does."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print("not started: pass --yes to go on without being asked", file=sys.stderr)
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")

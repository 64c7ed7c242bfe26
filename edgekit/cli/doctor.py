"""`edgekit doctor`: what is here at a glance, and what each gap costs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edgekit.cli.options import add_json

if TYPE_CHECKING:
    from edgekit.deploy.doctor import Check

MARKS = {"ok": "ok", "gap": "-", "broken": "BROKEN"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_json(parser, "the checks")


def run(args: argparse.Namespace) -> int:
    """Show the checks; returns 1 where something is missing that edgekit cannot do without."""
    from edgekit.cli.console import print_json
    from edgekit.deploy.doctor import as_dict, examine, healthy

    checks = examine()
    if args.json:
        print_json("doctor", as_dict(checks))
    else:
        _print(checks)
    return 0 if healthy(checks) else 1


def _print(checks: tuple[Check, ...]) -> None:
    """Plain lines: a table would need rich, whose absence is one of the things to be shown."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{MARKS[check.state]:>6}  {check.name:<{width}}  {check.value}")
        if check.state != "ok":
            print(f"{'':>6}  {'':<{width}}  costs: {check.cost}")
            print(f"{'':>6}  {'':<{width}}  cure:  {check.cure}")

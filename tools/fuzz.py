"""Mutated inputs for every reader: `python tools/fuzz.py KIND|all --cases N --seed S`; exit code 1 where one hurts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuzzing.kind import Kind
    from fuzzing.outcome import Outcome
    from fuzzing.worker import Limits


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 where every case was read or refused, 1 where one was not."""
    from fuzzing.kinds import KINDS

    args = _parser(list(KINDS)).parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from fuzzing.material import preload
    from fuzzing.outcome import BAD

    preload()
    chosen = list(KINDS.values()) if "all" in args.kind else [KINDS[name] for name in args.kind if name in KINDS]
    outcomes = [outcome for kind in chosen for outcome in _campaign(kind, args)]
    if "past" in args.kind:
        from fuzzing.past import run_past

        outcomes += run_past(_limits(args))
    _print(outcomes, as_json=args.json)
    return 1 if any(outcome.outcome in BAD for outcome in outcomes) else 0


def _campaign(kind: Kind, args: argparse.Namespace) -> list[Outcome]:
    """The outcomes of one kind, in this process's workers and through the command line."""
    from fuzzing.campaign import run_cases
    from fuzzing.commands import run_command
    from fuzzing.kind import make_case
    from fuzzing.material import images
    from fuzzing.outcome import BAD
    from fuzzing.table import save_case

    seeds = kind.seeds()  # made once, before the worker is forked
    images()

    def make(index: int) -> bytes:
        return seeds[index] if args.intact else make_case(kind, args.seed, index)

    indices = range(len(seeds)) if args.intact else args.case or range(args.first, args.first + args.cases)
    found = list(run_cases(kind, make, indices, _limits(args)))
    if kind.command and args.commands:
        every = max(1, round(1 / args.commands))
        found += [run_command(kind, make(i), i, _limits(args)) for i in indices if i % every == every // 2]
    for outcome in found:
        if args.save and (outcome.outcome in BAD or args.case):
            save_case(args.save, make(outcome.index), outcome)
    if not args.json:
        bad = sum(outcome.outcome in BAD for outcome in found)
        print(f"{kind.name}: {len(found)} cases, {bad} bad", file=sys.stderr, flush=True)
    return found


def _limits(args: argparse.Namespace) -> Limits:
    from fuzzing.worker import Limits

    return Limits(args.timeout, args.memory)


def _print(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([outcome.to_dict() for outcome in outcomes]))
        return
    from fuzzing.table import print_table
    from rich.console import Console

    print_table(Console(width=None if sys.stdout.isatty() else 150, highlight=False), outcomes)


def _parser(kinds: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    every = [*kinds, "all", "past"]
    said = f"all, past (crashes of before), or {', '.join(kinds)}"
    parser.add_argument("kind", nargs="+", choices=every, metavar="KIND", help=said)
    parser.add_argument("--cases", type=int, default=200, help="inputs per kind (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first case's number (default 0)")
    parser.add_argument(
        "--case", type=int, action="append", help="these cases alone; with --save, whatever becomes of them"
    )
    parser.add_argument("--intact", action="store_true", help="the intact inputs, which are all to be read")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs (default 0)")
    parser.add_argument(
        "--commands", type=float, default=0.0, help="share of cases that also go through the command line"
    )
    parser.add_argument("--timeout", type=float, default=20.0, help="processor seconds for a case (default 20)")
    parser.add_argument("--memory", type=int, default=2048, help="MB for a case (default 2048)")
    parser.add_argument("--save", type=Path, metavar="DIR", help="where inputs that hurt are written")
    parser.add_argument("--json", action="store_true", help="print every outcome as JSON")
    return parser


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(root / "tools"), str(root)]
    raise SystemExit(main())

"""Measures what docs/measured.md and the README show, and renders it there.

python tools/measure.py --list                what can be measured, and what was
python tools/measure.py golden latency        measure these: writes docs/measured/NAME.json
python tools/measure.py all                   everything that can be measured here (an hour; the shared real material)
python tools/measure.py --render              make the tables in the pages again from docs/measured
python tools/measure.py --check               exit code 1 if a page shows anything else

Tables that need the vendor's compiler, hours or both are not made here: their files say which command made them.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from measuring.table import Table


def measurements() -> dict[str, Callable[[], Table]]:
    """Return what can be measured by name, what takes least first."""
    from measuring import accuracy, exactness, instructions, latency, speed

    return {
        "latency": latency.measure_latency,
        "latency-frames": latency.measure_latency_frames,
        "latency-layers": latency.measure_latency_layers,
        "golden": exactness.measure_golden,
        **{f"speed-{name}": functools.partial(speed.measure_speed, name) for name in speed.ROWS},
        "instructions": instructions.measure_instructions,
        "accuracy": accuracy.measure_accuracy,
        "simulated-compiler": accuracy.measure_simulated_compiler,
    }


def main() -> int:
    from measuring.pages import ROOT, render_pages, stale_pages
    from measuring.table import FOLDER, read_table, write_table

    from edgekit.errors import EdgekitError
    from edgekit.files import write_text

    known = measurements()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=["all", *known, []], help="what to measure")
    parser.add_argument("--list", action="store_true", help="list the tables with their dates")
    parser.add_argument("--render", action="store_true", help="render the pages, after measuring")
    parser.add_argument("--check", action="store_true", help="compare the pages with the tables")
    args = parser.parse_args()
    if args.list:
        for name in sorted({*known, *(path.stem for path in FOLDER.glob("*.json"))}):
            date = read_table(name).date if (FOLDER / f"{name}.json").is_file() else "never"
            print(f"{name:24} {date:12} {'' if name in known else 'not measured by this script'}")
    failed = 0
    for name in known if "all" in args.names else args.names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            print(write_table(name, known[name]()).relative_to(ROOT))
        except (EdgekitError, OSError, StopIteration) as error:
            hint = f"\nhint: {error.hint}" if isinstance(error, EdgekitError) else ""
            print(f"error: {name}: {error}{hint}", file=sys.stderr)
            failed = 1
    if args.render:
        render_pages(ROOT, write_text)
    stale = list(stale_pages()) if args.check else []
    for page in stale:
        print(f"{page} shows other figures than docs/measured: run python tools/measure.py --render", file=sys.stderr)
    return 1 if stale or failed else 0


if __name__ == "__main__":
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent))
    raise SystemExit(main())

"""Speed, as ratios measured side by side in one process: `python tools/bench.py NAME [options]`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
from pathlib import Path

# Name: (module with `add_arguments(parser)` and `run(args) -> {ratio: value}`, what it measures).
BENCHES: dict[str, tuple[str, str]] = {
    "sim": ("benches.sim", "the simulated BPU against onnxruntime float32 and the plain reference"),
    "decode": ("benches.decode", "decoding raw heads against one max pass and against the plain flow"),
    "instructions": ("benches.instructions", "instructions of aarch64 that decoding takes, counted by QEMU"),
    "prepare": ("benches.prepare", "letterbox and colours against fresh arrays"),
    "pipeline": ("benches.pipeline", "the share of the device's own rate that a live run reaches"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    requested = next((a for a in sys.argv[1:] if a in BENCHES), None)
    module = importlib.import_module(BENCHES[requested][0]) if requested else None
    for name, (_, what) in BENCHES.items():
        sub = names.add_parser(name, help=what, description=what)
        sub.add_argument("--json", action="store_true", help="print the ratios as JSON, the table on standard error")
        if module and name == requested:
            module.add_arguments(sub)
    args = parser.parse_args()
    assert module
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        ratios = module.run(args)
    if args.json:
        from edgekit.records import envelope

        print(json.dumps({**envelope("bench-tool"), "bench": args.name, "ratios": ratios}, indent=2))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    raise SystemExit(main())

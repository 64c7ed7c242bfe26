#!/usr/bin/env python3
"""Checks board, RDK OS, Python, packages and the BPU library against a model, before anything runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "runtime"))  # where install.sh puts it

from edgekit.bundle import is_bundle, open_bundle
from edgekit.errors import EdgekitError
from edgekit.records import envelope
from edgekit.runtime.versions import check_versions, checks_to_dicts, require_compatible
from edgekit.spec import load_spec, sidecar_path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="bundle, or a .bin with its sidecar")
    parser.add_argument("--json", action="store_true", help="the checks as JSON on standard output")
    args = parser.parse_args()
    try:
        model = Path(args.model)
        model = open_bundle(model).model_path if is_bundle(model) else model
        checks = check_versions(load_spec(sidecar_path(model)), model)
        if args.json:
            print(json.dumps({**envelope("checks"), "checks": checks_to_dicts(checks)}, indent=2))
        else:
            for check in checks:
                print(f"{check.state:4} {check.name}: {check.value} (expected {check.expected})")
        require_compatible(checks)
    except EdgekitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

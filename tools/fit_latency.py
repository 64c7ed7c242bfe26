"""Makes the latency model's parameters: builds of the vendor's compiler, the fit, its check on left-out families.

python tools/fit_latency.py --check                           the table of the parameters in use
python tools/fit_latency.py --make BUILDS --exports ONNX --images IMAGES
                                                              compile what is missing (hours; needs the toolchain, and
                                                              what tools/latency_fit/export_models.py exports)
python tools/fit_latency.py --fit BUILDS                      fit, cross-validate, write the parameter file
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    from latency_fit.check import errors_as_json, layer_sums, left_out, make_parameters, table, write
    from latency_fit.rows import read_builds

    from edgekit.latency.parameters import FILE, load_parameters

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="print the errors of left-out families")
    what.add_argument("--make", type=Path, metavar="BUILDS", help="compile the listed models into this folder")
    what.add_argument("--fit", type=Path, metavar="BUILDS", help="fit to the builds of this folder")
    parser.add_argument("--exports", type=Path, help="folder of the ONNX exports that --make compiles")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="builds that --make compiles")
    parser.add_argument("--images", type=Path, help="images that --make calibrates with")
    parser.add_argument("-o", "--output", type=Path, default=FILE, help="the parameter file")
    parser.add_argument("--json", action="store_true", help="print the errors as JSON in place of the table")
    args = parser.parse_args()
    if args.make:
        from latency_fit.make import make_builds

        if not args.exports or not args.images:
            parser.error("--make needs --exports and --images")
        make_builds(args.make, exports=args.exports, images=args.images, only=args.only, say=_say)
        return 0
    if args.fit:
        builds = read_builds(args.fit)
        errors = left_out(builds, _say)
        parameters = make_parameters(builds, errors, layer_sums(builds, _say))
        write(args.output, parameters)
    else:
        parameters = load_parameters()
    print(json.dumps(errors_as_json(parameters), indent=2) if args.json else table(parameters))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    raise SystemExit(main())

"""The census: every model description that the installed Ultralytics ships, exported as users do, the whole way.

    python tools/census.py --python ULTRALYTICS/bin/python --work census
    python tools/census.py --python ULTRALYTICS/bin/python --work census --only yolo26 --size 320
    python tools/census.py --work census --table          docs/measured/census.json and docs/census.md from the rows

Every description is exported with random but lively weights by the other Python, in a process of its own, with that
package's export defaults; then it is cut (with the proof), calibrated, compiled by the simulator, decoded and compared
with the float export on generated images. The rows are kept in WORK/rows.jsonl: a run that was stopped goes on where it
was. Hours on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from census_steps.descriptions import Shipped
    from census_steps.whole_way import Row

ROWS_NAME, SHIPPED_NAME = "rows.jsonl", "shipped.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, then write the table if asked to."""
    from edgekit.errors import EdgekitError

    args = _parser().parse_args(argv)
    try:
        if args.python is not None:
            _run(args)
        if args.table:
            _write(args.work)
    except EdgekitError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="an interpreter that has Ultralytics")
    parser.add_argument("--work", type=Path, required=True, help="where exports and rows are kept")
    parser.add_argument("--scales", default="n", help="sizes to export of each family, such as n,s (default: n)")
    parser.add_argument("--size", type=int, default=640, help="input size (default: 640, as users export)")
    parser.add_argument("--only", default="", metavar="TEXT", help="descriptions whose name holds this text")
    parser.add_argument("--table", action="store_true", help="write docs/measured/census.json and docs/census.md")
    return parser


def _run(args: argparse.Namespace) -> None:
    from census_steps.descriptions import export_description, scaled, shipped_descriptions
    from census_steps.whole_way import Row, go_whole_way

    args.work.mkdir(parents=True, exist_ok=True)
    shipped = shipped_descriptions(args.python)
    names = [name for name in scaled(shipped.names, args.scales) if args.only in name]
    _save_shipped(args.work, shipped, args.size)
    done = {row.name for row in read_rows(args.work)}
    images = _images(args.work)
    for count, name in enumerate(names, 1):
        stem = name.removesuffix(".yaml")
        if stem in done:
            continue
        print(f"[{count}/{len(names)}] {stem}", file=sys.stderr, flush=True)
        model = args.work / "exports" / f"{stem}.onnx"
        failure = "" if model.is_file() else export_description(args.python, name, model, size=args.size)
        row = Row(stem, stopped="export", message=failure) if failure else go_whole_way(model, images, stem)
        _append(args.work, row)


def _images(work: Path) -> Path:
    from edgekit.demo.assets import write_calibration_images

    folder = work / "images"
    if not folder.is_dir():
        folder.mkdir()
        write_calibration_images(folder)
    return folder


def _save_shipped(work: Path, shipped: Shipped, size: int) -> None:
    from edgekit.files import write_json
    from edgekit.records import envelope

    document = {"ultralytics": shipped.version, "size": size, "descriptions": list(shipped.names)}
    write_json(work / SHIPPED_NAME, {**envelope("census"), **document})


def _append(work: Path, row: Row) -> None:
    from edgekit.records import to_json

    with (work / ROWS_NAME).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(to_json(row)) + "\n")


def read_rows(work: Path) -> list[Row]:
    """Read the rows that are there; a line that was cut off by a stop is left out."""
    from census_steps.whole_way import Row

    from edgekit.errors import EdgekitError
    from edgekit.records import from_json
    from edgekit.text import parse_json

    path = work / ROWS_NAME
    rows: dict[str, Row] = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            row = from_json(Row, parse_json(line, path.name), path.name)
        except EdgekitError:
            continue
        rows[row.name] = row
    return list(rows.values())


def _write(work: Path) -> None:
    from census_steps.table import census_table
    from measuring.pages import ROOT, render_pages
    from measuring.table import write_table

    from edgekit.files import write_text
    from edgekit.records import as_mapping
    from edgekit.text import read_json_file

    shipped = as_mapping(read_json_file(work / SHIPPED_NAME), SHIPPED_NAME)
    print(write_table("census", census_table(read_rows(work), shipped)).relative_to(ROOT))
    render_pages(ROOT, write_text)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    raise SystemExit(main())

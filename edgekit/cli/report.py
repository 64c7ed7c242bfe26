"""The `report` command: what a build's logs, JSON files and .bin say, and what to do next."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, progress_bar, rich_console
from edgekit.cli.options import add_html, add_json, add_overwrite
from edgekit.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

    from edgekit.report.build import Build
    from edgekit.report.gather import Collection
    from edgekit.report.report import Report

WIDTH_WITHOUT_TERMINAL = 120
MOST_ESTIMATED = 12  # builds whose graphs are read for the latency model, a second each
EPILOG = """\
examples:
  edgekit report hb_mapper_makertbin.log            one screen: is it good, what next
  edgekit report WORK --html report.html            all files of the build, as a page to send
  edgekit report NEW --against OLD                  what changed between two builds
  edgekit report TUNED                              after edgekit tune: with the most sensitive nodes
  edgekit report BUILDS                             the table that compares all builds in a folder
  edgekit report model.bin --json                   what the binary says of itself, for other tools
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "path",
        type=Path,
        help="a log, static-performance, quant_info or sensitivity JSON, a .bin, or a folder of them; of an .onnx "
        "its layers, parameters and GFLOPs",
    )
    parser.add_argument("--against", type=Path, metavar="OTHER", help="the build to compare with (the base)")
    add_html(parser)
    add_overwrite(parser, "the page of --html if it exists")
    parser.add_argument("--all", action="store_true", help="print every node, and every build of a folder")
    add_json(parser, "the report (schema edgekit.report/1)")


def run(args: argparse.Namespace) -> int:
    """Print the report; 0 unless the build itself failed, which is 1."""
    from edgekit.report.report import make_report

    if args.path.suffix == ".onnx" and not args.path.is_dir():
        _refuse_beside_model(args)
        return _print_size(args.path, as_json=args.json)
    with progress_bar() as progress:
        collection = _collect(args.path, progress)
        base = _single(args.against, _collect(args.against, progress)) if args.against else None
    estimate = len(collection.builds) <= MOST_ESTIMATED
    reports = [make_report(build, estimate=estimate) for build in collection.builds]
    if args.html:
        from edgekit.cli.console import say_replaced
        from edgekit.files import refuse_replacing
        from edgekit.report.page import write_page

        _check_page_path(args.html, collection)
        say_replaced(refuse_replacing([args.html], inputs=[args.path], overwrite=args.overwrite))
        against = make_report(base) if base else None
        write_page(args.html, reports, against=against)
        print(f"wrote {args.html}", file=sys.stderr)
    if base:
        new = make_report(_single(args.path, collection))
        _print_diff(make_report(base), new, as_json=args.json)
    elif args.json:
        _print_reports_json(reports, collection, is_folder=args.path.is_dir())
    else:
        _print_reports(reports, collection, everything=args.all)
    return 1 if any(report.verdict.grade == "failed" for report in reports) else 0


def _refuse_beside_model(args: argparse.Namespace) -> None:
    """Raise ConfigError for options that a model without its build has no use for."""
    from edgekit.errors import ConfigError

    if args.against or args.html:
        option = "--against" if args.against else "--html"
        raise ConfigError(
            f"{option} is there with the ONNX {args.path.name}, expected a build to report on",
            hint="give the log or the folder of the build",
        )


def _print_size(path: Path, *, as_json: bool) -> int:
    """Print how large an ONNX is: what there is to say of a model without its build."""
    from edgekit.latency.integer_size import size_of_file

    size = size_of_file(path)
    if as_json:
        print_json("model-size", {"model": path.name, **size.to_dict()})
    else:
        print(f"{path.name}: {size.words()}")
    return 0


def _collect(path: Path, progress: Progress) -> Collection:
    from edgekit.report.gather import collect

    return collect(path, progress=progress)


def _single(path: Path, collection: Collection) -> Build:
    """The one build of a collection; comparing needs to know which."""
    from edgekit.errors import ConfigError

    if len(collection.builds) != 1:
        names = ", ".join(build.name for build in collection.builds[:5])
        raise ConfigError(
            f"{path} holds {len(collection.builds)} builds ({names}), expected one to compare",
            hint="give the log or the folder of one build on both sides",
        )
    return collection.builds[0]


def _check_page_path(page: Path, collection: Collection) -> None:
    """The page may not take the place of what it reports on."""
    from edgekit.errors import ConfigError

    sources = {file.path.resolve() for build in collection.builds for file in build.sources}
    if page.resolve() in sources or page.is_dir():
        raise ConfigError(
            f"--html {page} is {'a folder' if page.is_dir() else 'one of the files to report on'}, expected a new file",
            hint="give another name, such as report.html",
        )


def _print_reports(reports: list[Report], collection: Collection, *, everything: bool) -> None:
    from edgekit.report.text import print_comparison, print_report

    console = _console()
    if len(reports) > 1:
        print_comparison(console, reports)
    if len(reports) == 1 or everything:
        for report in reports:
            print_report(console, report, all_nodes=everything)
    _print_left_aside(collection)


def _print_reports_json(reports: list[Report], collection: Collection, *, is_folder: bool) -> None:
    from edgekit.report.as_json import report_json, reports_json

    many = is_folder and len(reports) != 1
    print_json("report", reports_json(reports, collection.left_aside) if many else report_json(reports[0]))
    if not many:  # where the JSON has no place for them
        _print_left_aside(collection)


def _print_left_aside(collection: Collection) -> None:
    for path, why in collection.left_aside:
        print(f"left aside {path.name}: {why}", file=sys.stderr)


def _print_diff(base: Report, new: Report, *, as_json: bool) -> None:
    from edgekit.report.diff import diff_json, diff_reports
    from edgekit.report.text import print_diff

    diff = diff_reports(base, new)
    if as_json:
        print_json("report-diff", diff_json(diff))
    else:
        print_diff(_console(), diff)


def _console() -> Console:
    return rich_console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)

"""`edgekit compare`: where two models part, layer by layer, and what that does to the detections."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar, say_replaced
from edgekit.cli.earlier import files_of, refuse_others_files, with_sidecars
from edgekit.cli.options import add_html, add_json, add_output, add_overwrite

if TYPE_CHECKING:
    from edgekit.evaluation.compare import ModelComparison
    from edgekit.evaluation.detection_diff import DetectionDiff
    from edgekit.evaluation.tensor_metrics import TensorMetrics
    from edgekit.explore.gallery import Gallery

REPORTED = 0.98  # cosine below which a layer is named where no threshold is given
WORST = 10
GATE_FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("a", type=Path, metavar="A", help="the reference: a float ONNX, quantized graph or .bin")
    parser.add_argument("b", type=Path, metavar="B", help="the other model, or a folder of dumped outputs (.npz)")
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="SOURCE",
        help="images: folder, list, COCO JSON; for models that take more "
        "than one image or none .npz, .npy or a folder of them",
    )
    parser.add_argument("--num", type=int, default=16, help="how many of them (default 16)")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="COSINE",
        help=f"exit with 1 where any layer or head is below it; without it, {REPORTED} is only reported",
    )
    parser.add_argument("--all", action="store_true", help="show every layer, not the worst ones alone")
    add_output(parser, "images side by side, and compare.json")
    add_html(parser, "one page to look at: every image under a slider, what changed, where the layers part")
    add_overwrite(parser, "files in the output folder that no earlier call wrote, and the page of --html")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.errors import ConfigError
    from edgekit.evaluation.compare import compare_models
    from edgekit.files import write_json

    if args.num < 1:
        raise ConfigError(f"--num is {args.num}, expected 1 or more", hint="16 is the default")
    if args.threshold is not None and not -1 <= args.threshold <= 1:
        raise ConfigError(f"--threshold is {args.threshold}, expected a cosine of -1..1", hint="0.98 is usual")
    _refuse_replacing(args)
    threshold = REPORTED if args.threshold is None else args.threshold
    gallery = _gallery(args)
    with progress_bar() as progress:
        result = compare_models(
            args.a,
            args.b,
            args.images,
            num=args.num,
            threshold=threshold,
            images_dir=args.output,
            observe=gallery.add if gallery else None,
            progress=progress,
        )
    if gallery is not None:
        _write_page(args.html, result, gallery)
    if args.output is not None:
        write_json(args.output / "compare.json", result.to_dict())
    print_json("comparison", result.to_dict()) if args.json else _print(result, show_all=args.all)
    return GATE_FAILED if args.threshold is not None and not result.passes else 0


def _refuse_replacing(args: argparse.Namespace) -> None:
    """Raise OutputError if what is written would replace files that are read, or that no earlier call wrote."""
    from edgekit.files import refuse_replacing

    inputs = [*with_sidecars([args.a, args.b]), *files_of(args.images)]
    if args.html is not None:
        say_replaced(refuse_replacing([args.html], inputs=inputs, overwrite=args.overwrite))
    if args.output is not None:
        record = args.output / "compare.json"
        say_replaced(
            refuse_others_files(
                [record, *sorted(args.output.glob("*_compare.jpg"))],
                record=record,
                is_record=lambda report: {"a", "b", "heads"} <= set(report),
                inputs=inputs,
                overwrite=args.overwrite,
            )
        )


def _gallery(args: argparse.Namespace) -> Gallery | None:
    """Return what collects the images of the page, None without one."""
    from edgekit.errors import ConfigError
    from edgekit.explore.gallery import Gallery
    from edgekit.files import is_folder

    if args.html is None:
        return None
    dumps = next((path for path in (args.a, args.b) if is_folder(path) and any(path.glob("*.npz"))), None)
    if dumps is not None:
        raise ConfigError(
            f"{dumps} holds dumped outputs, expected two models for --html: a page shows what both detect",
            hint="give the model that they come from, or leave --html out",
        )
    return Gallery()


def _write_page(path: Path, result: ModelComparison, gallery: Gallery) -> None:
    from edgekit.explore.page import ExploredModel, explore_page
    from edgekit.files import write_text

    title = f"{result.b} beside {result.a}"
    write_text(path, explore_page(title, [ExploredModel("", result, gallery)]))
    print(f"wrote {path}", file=sys.stderr)


def _print(result: ModelComparison, *, show_all: bool) -> None:
    print(f"A {result.a}\nB {result.b}\n{result.images} images")
    columns = ["", "cosine", "SQNR dB", "MSE", "max abs"]
    print_table("heads", columns, [[name, *_cells(f)] for name, f in sorted(result.heads.items())])
    if result.layers:
        shown = list(result.layers)
        if not show_all:
            shown = sorted(shown, key=lambda layer: layer.metrics.cosine)[:WORST]
        what = "every layer" if show_all else f"the {len(shown)} worst of {len(result.layers)} layers"
        print_table(what, ["node", *columns[1:]], [[layer.node, *_cells(layer.metrics)] for layer in shown])
        _print_first(result)
    else:
        print("layers: none that both sides show")
    for difference in sorted(result.differences, key=lambda d: -d.changes):
        if difference.changes:
            _print_difference(difference)
    if result.maps:
        _print_maps(result)
    if result.differences:
        kept = sum(difference.kept for difference in result.differences)
        changed = sum(difference.changes for difference in result.differences)
        print(f"detections: {kept} stayed, {changed} lost, gained or moved")
        if not changed:
            print("no image shows a difference; look at more of them with --num")
        elif not any(difference.drawing for difference in result.differences):
            print("images side by side: with -o DIR")


def _print_maps(result: ModelComparison) -> None:
    drawn = [difference for difference in result.maps if difference.drawing]
    for difference in sorted(drawn, key=lambda d: -d.value):
        print(f"{difference.image}: {difference.text} (see {difference.drawing})")
    mean = sum(difference.value for difference in result.maps) / len(result.maps)
    print(f"maps: {result.maps[0].measure} {mean:.2%}, mean over {len(result.maps)} images")
    if not drawn and mean:
        print("images side by side: with -o DIR, or --html PAGE")


def _print_first(result: ModelComparison) -> None:
    first = result.first_below
    if first is None:
        print(f"no layer's cosine is below {result.threshold:g}")
    else:
        print(f"first below {result.threshold:g}: {first.node} ({first.op}), cosine {first.metrics.cosine:.5f}")


def _print_difference(difference: DetectionDiff) -> None:
    print(f"{difference.image}:" + (f" (see {difference.drawing})" if difference.drawing else ""))
    for verb, rows in (("lost", difference.lost), ("gained", difference.gained), ("moved", difference.moved)):
        for detection in rows:
            iou = f", overlap {detection.iou:.2f}" if verb == "moved" else ""
            box = ", ".join(f"{v:.0f}" for v in detection.box_xyxy)
            print(f"  {verb}: {detection.name} {detection.score:.2f} at [{box}]{iou}")


def _cells(metrics: TensorMetrics) -> list[str]:
    return [f"{metrics.cosine:.5f}", f"{metrics.sqnr_db:.1f}", f"{metrics.mse:.3g}", f"{metrics.max_abs:.3g}"]

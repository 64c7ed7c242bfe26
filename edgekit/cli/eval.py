"""`edgekit eval`: mAP on labels, what is kept of another model's, and how sure the figures are."""

from __future__ import annotations

import argparse
import contextlib
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar, say_replaced
from edgekit.cli.earlier import refuse_others_files, with_sidecars
from edgekit.cli.options import add_device, add_json, add_output, add_overwrite, add_seed, add_thresholds, add_workers

if TYPE_CHECKING:
    from edgekit.evaluation.bootstrap import Interval
    from edgekit.evaluation.labels import Labels
    from edgekit.evaluation.options import EvaluateOptions
    from edgekit.evaluation.scores import Evaluation, ModelScores

DEFAULT_OUTPUT = Path("edgekit_eval")
KINDS = {
    "box": "boxes",
    "mask": "masks",
    "keypoint": "key points",
    "rotated box": "rotated boxes",
    "top-1": "top-1",
    "top-5": "top-5",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "--model", type=Path, required=True, metavar="M", help=".bin, quantized graph, cut heads or float ONNX"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="labels: COCO .json, YOLO dataset .yaml, or a folder per class; without them, --against and --images "
        "give the agreement of two models",
    )
    parser.add_argument(
        "--images",
        "--images-dir",
        type=Path,
        metavar="DIR",
        help="where the images of a COCO JSON lie; without --data the images themselves (a folder, list or dataset)",
    )
    parser.add_argument("--split", default="val", help="split of a YOLO dataset (default val)")
    parser.add_argument(
        "--against", type=Path, metavar="M2", help="a reference, e.g. the float ONNX: what is kept of it"
    )
    add_device(parser)
    parser.add_argument(
        "--settings",
        choices=("published", "model-zoo"),
        default="published",
        help="published: conf 0.001, as published mAPs; model-zoo: conf 0.25, as the board vendor's figures",
    )
    add_thresholds(parser, conf=None)
    parser.add_argument(
        "--masks",
        choices=("edgekit", "ultralytics"),
        default="edgekit",
        help="how masks are placed: exactly, or in whole cells as Ultralytics' native masks, for comparison",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop where labels have faults; by default what is sound is scored"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N images alone")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap draws for the intervals (default 1000)")
    add_seed(parser, "the bootstrap")
    parser.add_argument("--classes", action="store_true", help="show every class")
    add_output(parser, "predictions and report.json", default=str(DEFAULT_OUTPUT))
    add_workers(parser, default="this process")
    add_overwrite(parser, "files in the output folder that no earlier call wrote")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from edgekit.errors import ConfigError
    from edgekit.evaluation.run import evaluate
    from edgekit.workers import open_workers

    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit is {args.limit}, expected 1 or more", hint="remove it for all images")
    say_replaced(
        refuse_others_files(
            [args.output / "report.json"],
            record=args.output / "report.json",
            is_record=lambda report: isinstance(report.get("model"), dict) and "device" in report["model"],
            inputs=[*with_sidecars([args.model, args.against]), *filter(None, [args.data, args.images])],
            overwrite=args.overwrite,
        )
    )
    labels = _labels(args)
    paths = list(filter(None, [args.model, args.against, args.data, args.images]))
    workers = open_workers(args.workers, args.scheduler, paths=paths)
    with progress_bar() as progress, contextlib.closing(workers):
        result = evaluate(
            args.model,
            labels,
            args.output,
            against=args.against,
            device=args.device,
            options=_options(args),
            workers=workers,
            progress=progress,
        )
    print_json("evaluation", result.to_dict()) if args.json else _print(result, args.output, show_classes=args.classes)
    return 0


def _options(args: argparse.Namespace) -> EvaluateOptions:
    """Return the settings with what single options say instead; agreement counts nothing below what a user sees."""
    from edgekit.evaluation.agreement import SHOWN
    from edgekit.evaluation.options import MODEL_ZOO, PUBLISHED

    options = {"published": PUBLISHED, "model-zoo": MODEL_ZOO}[args.settings]
    options = replace(options, masks=args.masks, resamples=args.resamples, seed=args.seed)
    if args.data is None:
        options = replace(options, conf=SHOWN)
    thresholds = {name: value for name, value in (("conf", args.conf), ("iou", args.iou)) if value is not None}
    return replace(options, **thresholds)


def _labels(args: argparse.Namespace) -> Labels:
    """Return the labels, or without --data only the images."""
    from edgekit.errors import ConfigError
    from edgekit.evaluation.label_reader import load_labels, unlabelled_images

    if args.data is not None:
        return load_labels(args.data, split=args.split, images_dir=args.images, limit=args.limit, strict=args.strict)
    if args.images is None or args.against is None:
        raise ConfigError(
            "there is neither --data nor both of --images and --against, expected one of them",
            hint="give labels with --data, or images with --images and a reference model with --against",
        )
    return unlabelled_images(args.images, split=args.split, limit=args.limit)


def _print(result: Evaluation, out: Path, *, show_classes: bool) -> None:
    sides = [result.model] + ([result.reference] if result.reference else [])
    if result.model.scores:
        _print_scores(sides)
    else:
        print(f"{result.model.model} ({result.model.device}), {_images(result.model.images)} without labels")
    if show_classes and result.model.scores:
        for side in sides:
            _print_classes(side)
    if result.reference is not None:
        _print_comparison(result)
    for side in sides:
        for note in side.notes:
            print(f"note: {side.model}: {note}")
        for error in side.unread:
            print(f"warning: skipped: {error}")
    print(f"report: {out / 'report.json'}")


def _print_scores(sides: list[ModelScores]) -> None:
    rows = [
        [
            f"{side.model} ({side.device})",
            KINDS[kind],
            f"{_percent(score.overall.value)} {_range(score.overall)}",
            _percent(score.map50.value) if score.map50 else "-",
            *(_percent(score.by_area.get(area, math.nan)) for area in ("small", "medium", "large")),
        ]
        for side in sides
        for kind, score in side.scores.items()
    ]
    measure = next(iter(sides[0].scores.values())).measure
    columns = ["model", "of", f"{measure} [95 %]", "mAP50", "small", "medium", "large"]
    print_table(_images(sides[0].images), columns, rows)


def _print_classes(side: ModelScores) -> None:
    kinds = list(side.scores)
    rows = [
        [name, side.scores[kinds[0]].by_class[name][1], *(_class_percent(side, kind, name) for kind in kinds)]
        for name in side.scores[kinds[0]].by_class
    ]
    print_table(f"{side.model}, mAP50-95 per class", ["class", "objects", *(KINDS[k] for k in kinds)], rows)


def _class_percent(side: ModelScores, kind: str, name: str) -> str:
    return _percent(side.scores[kind].by_class.get(name, (math.nan, 0))[0])


def _print_comparison(result: Evaluation) -> None:
    assert result.reference is not None
    for kind, kept in (result.kept or {}).items():
        change = (result.difference or {})[kind]
        verdict = "" if _is_sure(change) else " (within the noise of these images)"
        print(f"kept of {result.reference.model}, {KINDS[kind]}: {_percent(kept.value)} % {_range(kept)} of its score,")
        print(f"  {100 * change.value:+.2f} points {_range(change)}{verdict}")
    if result.same_class is not None:
        same = result.same_class
        print(
            f"agreement: the first class is that of {result.reference.model} on {_percent(same.value)} % {_range(same)}"
        )
    if result.agreement is None:
        return
    agreement = result.agreement
    if not agreement.reference:
        print(f"agreement: {result.reference.model} detects nothing with score >= 0.4 on these images")
        return
    shares = ", ".join(f"{_percent(share.value)} % {_range(share)} at IoU {iou:g}" for iou, share in agreement.matched)
    print(f"agreement: of {agreement.reference} detections of {result.reference.model} with score >= 0.4, matched:")
    print(f"  {shares}")
    masks = "" if math.isnan(agreement.mask_iou) else f", mask IoU {agreement.mask_iou:.3f}"
    print(f"  panoptic quality of all shown boxes {_percent(agreement.quality.value)} % {_range(agreement.quality)}")
    print(
        f"  mean box IoU {agreement.box_iou:.3f}{masks}, scores differ by {agreement.score_shift:.3f}; "
        f"{_percent(agreement.gained.value)} % of its own are new"
    )


def _images(count: int) -> str:
    return f"{count} image" + ("" if count == 1 else "s")


def _is_sure(change: Interval) -> bool:
    return change.low > 0 or change.high < 0


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _range(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"

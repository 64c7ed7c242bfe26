"""`edgekit eval`: mAP on labels, what is kept of another model's, and how sure the figures are."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, progress_bar, say_replaced
from edgekit.cli.earlier import refuse_others_files, with_sidecars
from edgekit.cli.eval_tables import KINDS, print_evaluation, print_missed
from edgekit.cli.options import add_device, add_json, add_output, add_overwrite, add_seed, add_thresholds, add_workers

if TYPE_CHECKING:
    from edgekit.evaluation.labels import Labels
    from edgekit.evaluation.options import EvaluateOptions
    from edgekit.evaluation.scores import Evaluation

DEFAULT_OUTPUT = Path("edgekit_eval")
REFERENCE_PREFIX = "reference_"  # of the plots of --against


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
    parser.add_argument(
        "--require",
        metavar="KIND=SCORE,...",
        help="the least mAP50-95 (accuracy, mIoU, delta1) in 0..1, the most AbsRel and RMSE, such as box=.37,mask=.30 "
        "or miou=.5; exit code 1 where it is missed",
    )
    parser.add_argument(
        "--plots",
        type=Path,
        metavar="DIR",
        help="draw PR, F1, precision and recall curves and the confusion matrix; of depths a histogram of errors",
    )
    add_output(parser, "predictions and report.json", default=str(DEFAULT_OUTPUT))
    add_workers(parser, default="this process")
    add_overwrite(parser, "files in the output folder that no earlier call wrote, and plots")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 1 where a score that --require names is missed."""
    from edgekit.cli.eval_maps import run_maps
    from edgekit.errors import ConfigError
    from edgekit.evaluation.gate import check_requirements, parse_requirements
    from edgekit.evaluation.map_run import map_task
    from edgekit.evaluation.run import evaluate
    from edgekit.workers import open_workers

    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit is {args.limit}, expected 1 or more", hint="remove it for all images")
    required = parse_requirements(args.require) if args.require is not None else {}
    _refuse_outputs(args)
    if task := map_task(args.model):
        return run_maps(args, task, required)
    _refuse_plots(args)
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
    requirements = check_requirements(result.model, required)
    gate = {"requirements": [requirement.to_dict() for requirement in requirements]} if requirements else {}
    plots = _write_plots(args.plots, result)
    if args.json:
        print_json("evaluation", {**result.to_dict(), **gate})
    else:
        print_evaluation(result, args.output, show_classes=args.classes)
        for path in plots:
            print(f"plot: {path}")
    print_missed(result.model.model, requirements)
    return 0 if all(requirement.passed for requirement in requirements) else 1


def _refuse_outputs(args: argparse.Namespace) -> None:
    """Refuse to replace what no earlier call wrote."""
    say_replaced(
        refuse_others_files(
            [args.output / "report.json"],
            record=args.output / "report.json",
            is_record=lambda report: isinstance(report.get("model"), dict) and "device" in report["model"],
            inputs=[*with_sidecars([args.model, args.against]), *filter(None, [args.data, args.images])],
            overwrite=args.overwrite,
        )
    )


def _refuse_plots(args: argparse.Namespace) -> None:
    """Refuse plots that cannot be drawn, or that would replace files, before the models run."""
    if args.plots is None:
        return
    from edgekit.errors import ConfigError
    from edgekit.evaluation.plots import plot_names, require_matplotlib
    from edgekit.files import refuse_replacing

    if args.data is None:
        raise ConfigError("--plots is there without --data, expected labels to draw from", hint="give them with --data")
    require_matplotlib()
    prefixes = ["", REFERENCE_PREFIX] if args.against else [""]
    names = [name for prefix in prefixes for name in plot_names(list(KINDS), prefix=prefix)]
    say_replaced(refuse_replacing([args.plots / name for name in names], overwrite=args.overwrite))


def _write_plots(folder: Path | None, result: Evaluation) -> list[Path]:
    if folder is None:
        return []
    from edgekit.evaluation.plots import write_plots

    plots = write_plots(folder, result.model)
    return plots if result.reference is None else plots + write_plots(folder, result.reference, prefix=REFERENCE_PREFIX)


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

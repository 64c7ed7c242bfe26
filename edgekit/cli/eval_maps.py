"""`edgekit eval` of models that give a class or a depth for every pixel."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar, say_replaced
from edgekit.cli.eval_tables import print_missed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgekit.evaluation.bootstrap import Interval
    from edgekit.evaluation.map_labels import MapLabels
    from edgekit.evaluation.map_run import MapEvaluation

UNITS = {"RMSE": "m"}  # the others are shares, printed in percent
UNUSED = ("conf", "workers", "scheduler")
REFERENCE_PREFIX = "reference_"  # of the plots of --against


def run_maps(args: argparse.Namespace, task: str, required: Mapping[str, float]) -> int:
    """Score a model of maps.

    Args:
        args: Of the command.
        task: "semantic" or "depth".
        required: What --require names.

    Returns:
        The exit code: 0, or 1 where a required score is missed.
    """
    from edgekit.evaluation.gate import check_map_requirements, require_measures
    from edgekit.evaluation.map_run import evaluate_maps
    from edgekit.evaluation.map_scores import MEASURES

    _refuse_options(args)
    require_measures(MEASURES[task] if args.data is not None else (), args.model.name, required)
    _refuse_plots(args, task)
    labels, images = _labels_and_images(args, task)
    with progress_bar() as progress:
        result = evaluate_maps(
            args.model,
            images,
            args.output,
            labels=labels,
            against=args.against,
            device=args.device,
            resamples=args.resamples,
            seed=args.seed,
            progress=progress,
        )
    requirements = check_map_requirements(result.model.scores, result.model.model, required)
    gate = {"requirements": [requirement.to_dict() for requirement in requirements]} if requirements else {}
    plots = _write_plots(args, result)
    if args.json:
        report = {key: value for key, value in result.to_dict().items() if key not in ("schema", "edgekit")}
        print_json("map_evaluation", {**report, **gate})
    else:
        _print(result, args.output / "report.json", show_classes=args.classes)
        for path in plots:
            print(f"plot: {path}")
    print_missed(result.model.model, requirements)
    return 0 if all(requirement.passed for requirement in requirements) else 1


def _refuse_options(args: argparse.Namespace) -> None:
    """Raise ConfigError for options that say nothing of maps."""
    from edgekit.errors import ConfigError

    for option in UNUSED:
        if getattr(args, option) is not None:
            raise ConfigError(
                f"--{option} is there, which is for objects and classifiers, but {args.model.name} gives maps",
                hint=f"leave --{option} out",
            )


def _refuse_plots(args: argparse.Namespace, task: str) -> None:
    """Refuse plots that cannot be drawn, or that would replace files, before the models run."""
    if args.plots is None:
        return
    from edgekit.errors import ConfigError
    from edgekit.evaluation.map_plots import map_plot_name
    from edgekit.evaluation.plots import require_matplotlib
    from edgekit.files import refuse_replacing

    if args.data is None:
        raise ConfigError("--plots is there without --data, expected labels to draw from", hint="give them with --data")
    require_matplotlib()
    prefixes = ["", REFERENCE_PREFIX] if args.against else [""]
    names = [map_plot_name(task, prefix=prefix) for prefix in prefixes]
    say_replaced(refuse_replacing([args.plots / name for name in names], overwrite=args.overwrite))


def _write_plots(args: argparse.Namespace, result: MapEvaluation) -> list[Path]:
    if args.plots is None:
        return []
    from edgekit.evaluation.map_plots import write_map_plots

    plots = write_map_plots(args.plots, result.model)
    if result.reference is None:
        return plots
    return plots + write_map_plots(args.plots, result.reference, prefix=REFERENCE_PREFIX)


def _labels_and_images(args: argparse.Namespace, task: str) -> tuple[MapLabels | None, Sequence[Path]]:
    from edgekit.errors import ConfigError
    from edgekit.evaluation.label_reader import unlabelled_images
    from edgekit.evaluation.map_labels import load_map_labels

    if args.data is not None:
        labels = load_map_labels(args.data, task, split=args.split, limit=args.limit)
        return labels, list(labels.images)
    if args.images is None or args.against is None:
        raise ConfigError(
            "there is neither --data nor both of --images and --against, expected one of them",
            hint="give labels with --data (docs/tasks.md), or images with --images and a reference with --against",
        )
    listed = unlabelled_images(args.images, split=args.split, limit=args.limit)
    return None, [image.path for image in listed.images]


def _print(result: MapEvaluation, report: Path, *, show_classes: bool) -> None:
    sides = [side for side in (result.model, result.reference) if side is not None and side.scores]
    if sides:
        rows = [
            [f"{side.model} ({side.device})", *(_cell(name, value) for name, value in side.scores.items())]
            for side in sides
        ]
        print_table(f"{result.images} images", ["model", *sides[0].scores], rows)
    else:
        print(f"{result.model.model} ({result.model.device}), {result.images} images without labels")
    if show_classes:
        for side in sides:
            ious = [[name, f"{100 * iou:.1f}"] for name, iou in side.class_ious().items()]
            if ious:
                print_table(f"{side.model}, per class", ["class", "IoU"], ious)
    if result.reference is not None:
        _print_comparison(result, result.reference.model)
    for note in result.notes:
        print(f"note: {note}")
    print(f"report: {report}")


def _print_comparison(result: MapEvaluation, reference: str) -> None:
    for name, kept in result.kept.items():
        change = result.difference[name]
        sure = "" if change.low > 0 or change.high < 0 else " (within the noise of these images)"
        print(f"{name}: {100 * kept.value:.1f} % of {reference}'s, {_cell(name, change)} apart{sure}")
    if result.agreement:
        cells = ", ".join(f"{name} {_cell(name, value)}" for name, value in result.agreement.items())
        print(f"agreement with {reference}: {cells}")


def _cell(name: str, value: Interval) -> str:
    if name in UNITS:
        return f"{value.value:.3f} {UNITS[name]} [{value.low:.3f}, {value.high:.3f}]"
    return f"{100 * value.value:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}]"

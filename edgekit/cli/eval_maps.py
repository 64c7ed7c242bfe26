"""`edgekit eval` of models that give a class or a depth for every pixel."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgekit.evaluation.bootstrap import Interval
    from edgekit.evaluation.map_labels import MapLabels
    from edgekit.evaluation.map_run import MapEvaluation

UNITS = {"RMSE": "m"}  # the others are shares, printed in percent


def run_maps(args: argparse.Namespace, task: str) -> int:
    """Score a model of maps; returns the exit code."""
    from edgekit.errors import ConfigError
    from edgekit.evaluation.map_run import evaluate_maps
    from edgekit.runtime.session import load

    for option in ("require", "plots"):
        if getattr(args, option) is not None:
            raise ConfigError(f"--{option} is for scores of objects and classifiers, not for maps", hint="leave it out")
    labels, images = _labels_and_images(args, task)
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(load(args.model, args.device, full_size=True))
        reference = stack.enter_context(load(args.against, full_size=True)) if args.against else None
        progress = stack.enter_context(progress_bar())
        result = evaluate_maps(
            model,
            args.model.name,
            images,
            labels=labels,
            reference=reference,
            reference_name=args.against.name if args.against else "",
            resamples=args.resamples,
            seed=args.seed,
            output=args.output / "report.json",
            progress=progress,
        )
    if args.json:
        print_json("map_evaluation", {k: v for k, v in result.to_dict().items() if k not in ("schema", "edgekit")})
    else:
        _print(result, args.output / "report.json")
    return 0


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


def _print(result: MapEvaluation, report: Path) -> None:
    sides: list[tuple[str, Mapping[str, Interval]]] = [(f"{result.model} ({result.device})", result.scores)]
    if result.reference and result.reference_scores:
        sides.append((result.reference, result.reference_scores))
    if result.scores:
        rows = [[side, *(_cell(name, value) for name, value in scores.items())] for side, scores in sides]
        print_table(f"{result.images} images", ["model", *result.scores], rows)
    else:
        print(f"{result.model} ({result.device}), {result.images} images without labels")
    for name, kept in result.kept.items():
        change = result.difference[name]
        sure = "" if change.low > 0 or change.high < 0 else " (within the noise of these images)"
        print(f"{name}: {100 * kept.value:.1f} % of {result.reference}'s, {_cell(name, change)} apart{sure}")
    if result.agreement:
        cells = ", ".join(f"{name} {_cell(name, value)}" for name, value in result.agreement.items())
        print(f"agreement with {result.reference}: {cells}")
    for note in result.notes:
        print(f"note: {note}")
    print(f"report: {report}")


def _cell(name: str, value: Interval) -> str:
    if name in UNITS:
        return f"{value.value:.3f} {UNITS[name]} [{value.low:.3f}, {value.high:.3f}]"
    return f"{100 * value.value:.1f} [{100 * value.low:.1f}, {100 * value.high:.1f}]"

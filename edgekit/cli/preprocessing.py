"""Options that say how a model takes its images: `edgekit cut`, `calibrate` and `deploy` have them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from edgekit.export import CutOptions
    from edgekit.export.input_options import InputOptions
    from edgekit.preprocess import Fit

__all__ = ["add_preprocessing", "cut_options", "input_options"]

NORMALIZATIONS = ("imagenet", "unit", "signed", "pixels")  # the rows of export.input_options, which imports more
FITS: dict[str, Fit] = {"letterbox": "pad", "crop": "crop", "stretch": "stretch"}
TASKS = ("classify", "semantic", "depth", "raw")


def add_preprocessing(parser: argparse.ArgumentParser) -> None:
    """Add `--task`, `--normalize`, `--mean`, `--std`, `--fit`, `--crop-fraction`, `--color`, `--featuremap` and
    `--batch`.

    Args:
        parser: Of the command.
    """
    _add_batch(parser)
    group = parser.add_argument_group("models that are no YOLO (docs/plain-cnns.md)")
    group.add_argument(
        "--task",
        choices=TASKS,
        default="",
        help="what the one output holds, where the file does not say it: classify a score per class, semantic a "
        "class and depth a distance per pixel; raw: the outputs stay arrays, whatever they are",
    )
    group.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        default="",
        help="how pixels reach the ONNX: imagenet (torchvision, timm), unit (0..1), signed (-1..1), pixels (0..255)",
    )
    group.add_argument("--mean", metavar="R,G,B", help="subtracted from pixels 0..255: one number or one per channel")
    group.add_argument("--std", metavar="R,G,B", help="what the difference is divided by, likewise")
    group.add_argument(
        "--fit",
        choices=tuple(FITS),
        default="",
        help="how images fill the input: letterbox (pads), crop (centre) or stretch "
        "(default: crop for classifiers, else letterbox)",
    )
    group.add_argument(
        "--crop-fraction",
        type=float,
        metavar="SHARE",
        help="with crop: input side over resized side; 0.875 is torchvision's Resize(256), CenterCrop(224)",
    )
    group.add_argument("--color", choices=("rgb", "bgr"), default="", help="channel order of the ONNX (default: rgb)")
    group.add_argument(
        "--featuremap",
        metavar="NAME,...",
        help="with --task raw: inputs that are no images although they have one or three channels",
    )


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="images per call of the compiled model: the yaml's input_batch (default: 1, also of exports with more)",
    )


def input_options(args: argparse.Namespace) -> InputOptions:
    """Read the options of `add_preprocessing`.

    Args:
        args: Of the command.

    Returns:
        What was given.

    Raises:
        ConfigError: A number is none, or options exclude each other.
    """
    from edgekit.export.input_options import NORMALIZATIONS as PRESETS
    from edgekit.export.input_options import InputOptions

    mean, std = _numbers("mean", args.mean), _numbers("std", args.std)
    if args.normalize and (mean or std):
        raise ConfigError(
            f"--normalize {args.normalize} beside --mean or --std, expected one of the two",
            hint="leave --normalize out to use your own numbers",
        )
    if args.normalize:
        mean, std = PRESETS[args.normalize]
    featuremaps = tuple(filter(None, (name.strip() for name in (args.featuremap or "").split(","))))
    return InputOptions(mean, std, FITS.get(args.fit, ""), args.crop_fraction, args.color, featuremaps, args.batch)


def cut_options(args: argparse.Namespace) -> CutOptions:
    """Read the options of `add_preprocessing` as those of the cut; raises ConfigError as `input_options` does."""
    from edgekit.export import CutOptions

    return CutOptions(task=args.task, inputs=input_options(args))


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise ConfigError(
            f"--{option} is {text!r}, expected one number or three with commas between",
            hint=f"for example --{option} {'123.675,116.28,103.53' if option == 'mean' else '58.395,57.12,57.375'}",
        )
    return numbers

"""`edgekit cut`: a stock ONNX cut at its head convolutions, with the sidecar that says what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.console import print_json, progress_bar, say_replaced
from edgekit.cli.options import add_checkpoint_export, add_json, add_output, add_overwrite
from edgekit.cli.preprocessing import add_preprocessing, input_options
from edgekit.errors import ConfigError
from edgekit.spec import ROLES

if TYPE_CHECKING:
    from edgekit.export import Cut


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `edgekit cut`."""
    parser.add_argument(
        "model", type=Path, help="a stock Ultralytics export, an ONNX that is cut already, or a trainer's .pt"
    )
    add_output(parser, "where the cut model goes", metavar="HEADS.onnx", required=True)
    add_overwrite(parser, "HEADS.onnx and its sidecar HEADS.json")
    parser.add_argument("--imgsz", metavar="H,W", help="input size, for exports that leave it open and for a .pt")
    add_checkpoint_export(parser, imgsz=False)
    parser.add_argument(
        "--branch",
        choices=("one2many", "one2one"),
        default="",
        help="which head to keep where the graph holds both (default: one2many, which quantizes better)",
    )
    parser.add_argument(
        "--keep-softmax", action="store_true", help="leave the softmax of attention as it is (it runs on the CPU)"
    )
    parser.add_argument(
        "--outputs",
        metavar="[ROLE=]TENSOR,...",
        help="for experts: cut at these tensors, e.g. box=a,class=b,box=c,class=d (roles: "
        "box, class, mask, keypoint, angle, object, proto); strides follow from the shapes",
    )
    add_preprocessing(parser)
    add_json(parser, "the sidecar and what was dropped")


def run(args: argparse.Namespace) -> int:
    """Cuts and says in one line what the model is and what was dropped."""
    from edgekit.export import CutOptions, cut_file
    from edgekit.files import refuse_replacing
    from edgekit.integrations.checkpoint_export import as_onnx, is_checkpoint
    from edgekit.sim.compiler.supported import support_warning
    from edgekit.spec import sidecar_path

    options = CutOptions(
        imgsz_hw=parse_imgsz(args.imgsz),
        branch=args.branch,
        keep_softmax=args.keep_softmax,
        outputs=parse_outputs(args.outputs),
        task=args.task,
        inputs=input_options(args),
    )
    replaced = refuse_replacing(
        (args.output, sidecar_path(args.output)),
        inputs=(args.model, sidecar_path(args.model)),
        overwrite=args.overwrite,
    )
    with progress_bar() as progress:
        size = options.imgsz_hw if is_checkpoint(args.model) else None
        model = as_onnx(args.model, args.output, python=args.python, imgsz_hw=size, progress=progress)
        cut = cut_file(model, args.output, options, progress=progress)
    say_replaced(replaced)
    warning = support_warning(args.output, cut.spec)
    _show(args, cut, warning)
    return 0


def _show(args: argparse.Namespace, cut: Cut, warning: str) -> None:
    from edgekit.spec import spec_to_dict

    if args.json:
        print_json(
            "cut",
            {
                "output": str(args.output),
                "dropped": list(cut.dropped),
                "rewritten": list(cut.rewritten),
                "left_to_cpu": list(cut.left),
                "warnings": [warning] if warning else [],
                "model": spec_to_dict(cut.spec),
            },
        )
    else:
        print("\n".join([*describe_lines(cut, args.output), *([f"warning: {warning}"] if warning else [])]))


def parse_imgsz(text: str | None) -> tuple[int, int] | None:
    """Parse "640,480" (height, width) or "640" for a square; None stays None."""
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if len(parts) > 2 or not all(p.strip().isdigit() and 0 < int(p) <= 16384 for p in parts):
        raise ConfigError(f"--imgsz is {text!r}, expected H,W such as 640,640", hint="height first, in pixels")
    return int(parts[0]), int(parts[-1])


def parse_outputs(text: str | None) -> dict[str, str] | None:
    """Parse "box=a,class=b,c" to {"a": "box", "b": "class", "c": ""}; a stride may follow the role (box_8=a)."""
    if text is None:
        return None
    chosen: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        role, equals, tensor = part.partition("=")
        role, tensor = (role.split("_")[0], tensor) if equals else ("", part)
        if role not in ("", *ROLES) or not tensor or tensor in chosen:
            raise ConfigError(
                f"--outputs has {part!r}, expected ROLE=TENSOR, each tensor once, with one of {', '.join(ROLES)}",
                hint="for example --outputs box=/model.22/cv2.0/cv2.0.2/Conv_output_0,class=...",
            )
        chosen[tensor] = role
    if not chosen:
        raise ConfigError("--outputs is empty, expected tensors", hint="leave it out to let edgekit find the head")
    return chosen


def describe_lines(cut: Cut, output: Path) -> list[str]:
    """One line for what the model is and what was dropped, then one per rewrite and per assumption."""
    spec = cut.spec
    if spec.task == "raw":
        return _raw_lines(cut, output)
    classes = f"{spec.num_classes} class" + ("es" if spec.num_classes > 1 else "")
    strides = "strides " + " ".join(map(str, spec.strides)) if spec.strides else "no strides"
    size = f"{spec.preprocess.width}x{spec.preprocess.height}{_batch(cut)}"
    what = " ".join(filter(None, (spec.family, spec.task))) + (" (end to end, no NMS)" if spec.end_to_end else "")
    dropped = "dropped " + ", ".join(cut.dropped) if cut.dropped else "cut already, nothing dropped"
    lines = [f"{output}: {what}, {classes}, {strides}, input {size}; {dropped}"]
    lines += [f"  rewritten: {text}" for text in cut.rewritten]
    lines += [f"  left to the board's CPU: Softmax {name}" for name in cut.left]
    return lines + [f"  assumed: {text}" for text in spec.notes]


def _batch(cut: Cut) -> str:
    batch = cut.spec.input.batch
    return f" ({batch} images per call once compiled)" if batch > 1 else ""


def _raw_lines(cut: Cut, output: Path) -> list[str]:
    spec = cut.spec
    fed = f"input {spec.preprocess.width}x{spec.preprocess.height}{_batch(cut)}"
    if not spec.takes_one_image:
        fed = "inputs " + ", ".join(f"{item.name} {'x'.join(map(str, item.shape))} {item.kind}" for item in spec.inputs)
    lines = [f"{output}: raw, nothing is decoded, {fed}"]
    lines += [f"  output {head.name}: {'x'.join(map(str, head.shape))}" for head in spec.outputs]
    lines += [f"  rewritten: {text}" for text in cut.rewritten]
    lines += [f"  left to the board's CPU: Softmax {name}" for name in cut.left]
    return lines + [f"  assumed: {text}" for text in spec.notes]

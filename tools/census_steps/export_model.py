"""Export one model description of Ultralytics as a user does, with random but lively weights.

Run by the Python that has that package, in a process of its own; edgekit imports nothing of it:

    PYTHON tools/census_steps/export_model.py yolov8-seg.yaml yolov8-seg.onnx --size 640

An untrained network scores everything alike. So that the comparison of float and int8 means something, the statistics
of its normalisations are taken from a few images, and its last layers are scaled until scores spread.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 17
IMAGES, IMAGE_SIZE = 2, 192  # over which statistics are taken; a multiple of every stride, 64 of the p6 ones included
CLASS_MEAN, SPREAD = -4.0, 2.0  # of the logits that score: few cells above 0.25


def main() -> None:
    """Export the description named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("description", help="a yaml that the package ships, such as yolov8-seg.yaml")
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a further export option")
    args = parser.parse_args()
    import torch
    import ultralytics

    torch.manual_seed(SEED)
    is_transformer = "rtdetr" in args.description
    model = (ultralytics.RTDETR if is_transformer else ultralytics.YOLO)(args.description)
    if not is_transformer:
        enliven(model.model)
    options = dict(option.split("=", 1) for option in args.set)
    exported = model.export(format="onnx", imgsz=args.size, **{key: _value(text) for key, text in options.items()})
    shutil.move(exported, args.output)


def enliven(network: Any) -> None:
    """Give normalisations the statistics of images, and last layers outputs that spread."""
    import torch

    noise = torch.rand(IMAGES, 3, 12, 12)
    images = torch.nn.functional.interpolate(noise, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear")
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
        norm.train()
    with torch.no_grad():
        network(images)
    network.eval()
    head = network.model[-1]
    last = {
        name: module
        for name, module in head.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and module.bias is not None
    }
    handles = [module.register_forward_hook(_scaled("cv3" in name)) for name, module in last.items()]
    with torch.no_grad():
        network(images)
        for module in head.modules():
            if hasattr(module, "logit_scale") and hasattr(module, "bias"):  # similarity with embeddings
                module.logit_scale.fill_(1.0)
                module.bias.fill_(CLASS_MEAN)
    for handle in handles:
        handle.remove()


def _scaled(scores: bool) -> Callable[[Any, Any, Any], Any]:
    """A hook that scales a layer's weights once, by what it gives, and gives that again."""

    def hook(module: Any, inputs: Any, output: Any) -> Any:
        channels_first = output.transpose(0, 1).flatten(1) if output.dim() == 4 else output.transpose(0, 1)
        gain = SPREAD / channels_first.std().clamp_min(1e-3)
        mean = channels_first.mean(dim=1)
        module.weight.mul_(gain)
        module.bias.copy_((module.bias - mean) * gain + (CLASS_MEAN if scores else 0.0))
        shape = (1, -1, 1, 1) if output.dim() == 4 else (1, -1)
        return (output - mean.view(shape)) * gain + (CLASS_MEAN if scores else 0.0)

    return hook


def _value(text: str) -> Any:
    """A number or truth value where the text is one."""
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.lstrip("-").isdigit() else text


if __name__ == "__main__":
    main()

"""Classifiers of torchvision and timm with random weights as ONNX, for tests of the whole way; needs both libraries.

    python tools/make_plain_cnns.py OUT IMAGES torchvision:resnet18 timm:mobilenetv3_small_050

Random weights alone make a network that enlarges any change of its input until nothing of it is left. Here every
BatchNorm has the statistics of IMAGES and shifts its channels up, so that few activations are cut off, and the last
layer is centred and scaled on IMAGES: images get different classes, some with confidence, as of a trained model.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE, IMAGES = 224, 32
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
SHIFT = 1.0  # of a BatchNorm with unit variance: most values stay above 0
LOGIT_DEVIATION = 6.0  # of a class over the images: a softmax over a hundred classes with a clear first
CLASSES = 100


def main(out: Path, images: Path, names: list[str]) -> None:
    """Write OUT/<name>.onnx for every name."""
    import torch

    torch.manual_seed(0)
    batch = torch.tensor(_batch(images))
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        model = _settled(_model(name), batch)
        path = out / f"{name.partition(':')[2]}.onnx"
        torch.onnx.export(
            model, batch[:1], str(path), opset_version=11, dynamo=False, input_names=["image"], output_names=["scores"]
        )
        print(path, flush=True)


def _batch(folder: Path) -> np.ndarray:
    rows = []
    for path in sorted(folder.glob("*.jpg"))[:IMAGES]:
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        scale = 256 / min(image.shape[:2])
        scaled = cv2.resize(image, None, fx=scale, fy=scale)
        top, left = ((side - SIZE) // 2 for side in scaled.shape[:2])
        rows.append(((scaled[top : top + SIZE, left : left + SIZE, ::-1] - MEAN) / STD).transpose(2, 0, 1))
    return np.asarray(rows, np.float32)


def _model(name: str) -> Any:
    library, _, model = name.partition(":")
    if library == "timm":
        timm = importlib.import_module("timm")
        return timm.create_model(model, pretrained=False, num_classes=CLASSES)
    torchvision = importlib.import_module("torchvision")
    return torchvision.models.get_model(model, weights=None, num_classes=CLASSES)


def _settled(model: Any, batch: Any) -> Any:
    """Give the model statistics and a last layer that fit the images."""
    import torch
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches: here one
            nn.init.normal_(module.weight, 1.0, 0.1)
            nn.init.normal_(module.bias, SHIFT, 0.2)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.train()
    with torch.no_grad():
        model(batch)
        model.eval()
        last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
        logits = model(batch)
        gain = LOGIT_DEVIATION / logits.std(dim=0).mean()
        last.weight.mul_(gain)
        last.bias.copy_((last.bias - logits.mean(dim=0)) * gain)
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

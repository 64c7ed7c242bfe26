"""Exports what builds.txt is made of, with random weights whose statistics are settled: time does not depend on them.

PYTHON tools/latency_fit/export_models.py OUT     with a Python that has ultralytics and onnxslim; what is there is kept

It imports that package, so nothing of edgekit imports this file.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("exports.txt")
OPSET = 11
STEM = (3, 16, 32, 64, 128)  # channels
SETTLED_AT = 320  # pixels at most: statistics need no more


def main() -> int:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        name, kind, task, size = line.split()
        target = out / f"{name}.onnx"
        if not target.is_file():
            print(name, flush=True)
            height, width = map(int, size.split("x"))
            if kind in ("area", "psa"):
                _export_attention(kind, height, width, target)
            else:
                _export_model(kind, task, height, width, target)
    return 0


def _export_model(description: str, task: str, height: int, width: int, target: Path) -> None:
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO(description, task=task)
    _settle(model.model.float(), min(max(height, width), SETTLED_AT))
    made = model.export(format="onnx", imgsz=[height, width], opset=OPSET, simplify=True)
    Path(made).rename(target)


def _settle(network: Any, size: int) -> None:
    import torch

    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.7, 1.8)
            torch.nn.init.uniform_(module.bias, -0.3, 0.5)
    with torch.no_grad():
        network(torch.rand(2, 3, size, size))
    network.eval()


def _export_attention(kind: str, height: int, width: int, target: Path) -> None:
    """A stem, the attention of YOLO12 ("area") or YOLO11 ("psa") at strides 16 and 32, and two convolutions."""
    import onnx
    import onnxslim
    import torch
    from ultralytics.nn.modules.block import AAttn, Attention, Conv

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            stem = [Conv(read, written, 3, 2) for read, written in itertools.pairwise(STEM)]
            self.stem = torch.nn.Sequential(*stem)
            self.down = Conv(128, 256, 3, 2)
            if kind == "area":
                fine, coarse = [AAttn(128, 4, 4), AAttn(128, 2, 1)], [AAttn(256, 8, 1), AAttn(256, 4, 1)]
            else:
                fine = [Attention(128, 2, attn_ratio=0.5)]
                coarse = [Attention(256, 4, attn_ratio=0.5), Attention(256, 2, attn_ratio=0.5)]
            self.fine, self.coarse = torch.nn.ModuleList(fine), torch.nn.ModuleList(coarse)
            self.fine_head, self.coarse_head = Conv(128, 64, 1, 1), Conv(256, 64, 1, 1)

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = self.stem(x)
            y = self.down(x)
            for block in self.fine:
                x = x + block(x)
            for block in self.coarse:
                y = y + block(y)
            return self.fine_head(x), self.coarse_head(y)

    torch.manual_seed(0)
    network = Network()
    _settle(network, max(height, width))
    names = {"input_names": ["images"], "output_names": ["fine", "coarse"]}
    torch.onnx.export(
        network, torch.zeros(1, 3, height, width), str(target), opset_version=OPSET, dynamo=False, **names
    )
    onnx.save(onnxslim.slim(onnx.load(target)), target)


if __name__ == "__main__":
    raise SystemExit(main())

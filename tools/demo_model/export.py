"""Writes the trained network as an ONNX file shaped like a stock Ultralytics export."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch

from demo_model.dataset import SIZE_WH
from demo_model.network import STRIDES, DemoNet, Segment, anchor_grid
from edgekit.demo.shapes import CLASS_NAMES
from edgekit.files import atomic_path

OPSET = 11  # the newest that the board's toolchain reads
METADATA = {  # the keys of a stock export, the values our own
    "description": "edgekit demo model with the structure of yolov8-seg, trained on generated images",
    "author": "edgekit",
    "version": "1",
    "license": "Apache-2.0",
    "stride": "32",
    "task": "segment",
    "head": "Segment",
    "batch": "1",
    "imgsz": str([SIZE_WH[1], SIZE_WH[0]]),
    "names": str(dict(enumerate(CLASS_NAMES))),
    "channels": "3",
    "end2end": "False",
}


def export_onnx(net: DemoNet, path: Path) -> None:
    """Folds the batch norms, traces the network at its input size and writes `path`."""
    net = net.cpu().eval().fold().to(memory_format=torch.contiguous_format)
    head = net.model[-1]
    assert isinstance(head, Segment)
    centers, strides = anchor_grid([(SIZE_WH[1] // s, SIZE_WH[0] // s) for s in STRIDES])
    head.grid = centers.T[None].contiguous(), strides.T.contiguous()
    sample = torch.zeros(1, 3, SIZE_WH[1], SIZE_WH[0])
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated; only it writes opset 11
        torch.onnx.export(
            net,
            (sample,),
            str(temporary),
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0", "output1"],
            dynamo=False,
        )
        model = onnx.load(temporary)
        onnx.helper.set_model_props(model, METADATA)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, temporary)

"""A session: one model on one device, from picture to results.

import edgekit

session = edgekit.load("yolov8n_seg.bin")
results = session.predict(edgekit.read_photo("street.jpg"))
for box, score, label in zip(results.boxes_xyxy, results.scores, results.labels):
    print(label, score, box)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.decode import decode
from edgekit.decode.options import DecodeOptions
from edgekit.errors import ConfigError
from edgekit.ops.letterbox import Letterbox, letterbox_image
from edgekit.ops.pixels import pack_input, unit_float
from edgekit.results import Results
from edgekit.runtime.device import Device, Tensors
from edgekit.runtime.registry import open_model
from edgekit.spec import ModelSpec

FLOAT_STAGES = ("stock", "heads")


class Session:
    """Steps that hold nothing between them: prepare -> infer -> decode, or predict for all three."""

    def __init__(
        self, spec: ModelSpec, device: Device, options: DecodeOptions | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        self.spec = spec
        self.device = device
        self.options = options or DecodeOptions()
        self.notes = notes

    def prepare(self, bgr: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], Letterbox]:
        """A picture (h, w, 3) uint8 BGR as the model's input, and where it lies in it.

        uint8 for quantized models (nv12: flat), float32 in 0..1 (1, 3, h, w) for float ones.
        """
        canvas, letterbox = letterbox_image(bgr, self.spec.preprocess)
        pixels = pack_input(canvas, self.spec.input, self.spec.preprocess)
        return (unit_float(pixels) if self.spec.stage in FLOAT_STAGES else pixels), letterbox

    def infer(self, inputs: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]) -> Tensors:
        """Runs the model: output name -> raw integers or floats as the device gives them."""
        named = inputs if isinstance(inputs, Mapping) else {self.spec.input.name: inputs}
        return self.device.infer(named)

    def decode(self, heads: Mapping[str, npt.NDArray[Any]], letterbox: Letterbox) -> Results:
        """Raw heads to results in pixels of the original picture."""
        return decode(heads, self.spec, letterbox, self.options, device=self.device.kind)

    def predict(self, bgr: npt.NDArray[np.uint8]) -> Results:
        """A picture (h, w, 3) uint8 BGR to its results."""
        inputs, letterbox = self.prepare(bgr)
        return self.decode(self.infer(inputs), letterbox)

    def with_names(self, names: tuple[str, ...]) -> Session:
        """The same session with other class names; raises ConfigError unless there is one per class."""
        if len(names) != self.spec.num_classes:
            raise ConfigError(
                f"{len(names)} class names were given, expected {self.spec.num_classes}",
                hint="give one name per class of the model",
            )
        return Session(replace(self.spec, names=names), self.device, self.options, self.notes)

    def close(self) -> None:
        """Gives the device back."""
        self.device.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    path: str | Path,
    device: str = "auto",
    *,
    conf: float = 0.25,
    iou: float = 0.7,
    max_detections: int = 300,
    multi_label: bool = False,
) -> Session:
    """Opens a `.bin`, a quantized graph, a float ONNX (run by onnxruntime) or a bundle.

    `device`: "auto" (what the file asks for), "sim", "bpu" or "hbdk-sim". `conf` and `iou` are the score and
    overlap thresholds in 0..1. `session.notes` says what was assumed. Raises ModelError, DeviceError or
    ConfigError.
    """
    options = DecodeOptions(conf, iou, max_detections, multi_label)
    opened = open_model(path, device=device)
    return Session(opened.spec, opened.device, options, opened.notes)

"""A device of your own behind edgekit's session: python examples/own_device.py EXPORT.onnx IMAGE.

Here it is OpenCV's own network engine; yours may be an accelerator's library or a computer across the network. A
device runs the graph that ends at the heads; preparing images, decoding, drawing and tracking are the session's.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edgekit
from edgekit.export import cut_file
from edgekit.runtime import TensorInfo
from edgekit.spec import ModelSpec, load_spec, sidecar_path


class OpenCvDevice:
    """One model on `cv2.dnn`: everything that a `Device` has."""

    kind = "opencv"

    def __init__(self, model: Path, spec: ModelSpec) -> None:
        self._network = cv2.dnn.readNetFromONNX(str(model))
        size = (1, 3, spec.preprocess.height, spec.preprocess.width)
        self.inputs = (TensorInfo(spec.input.name, size, "float32"),)
        self.outputs = tuple(TensorInfo(head.name, head.shape, "float32") for head in spec.outputs)

    def infer(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Run one frame."""
        self._network.setInput(inputs[self.inputs[0].name])
        names = [info.name for info in self.outputs]
        return dict(zip(names, self._network.forward(names), strict=True))

    def close(self) -> None:
        """Nothing to give back."""


def main(export: str, image: str) -> None:
    """Cut the export at its heads, run them on the device and print what the session decodes."""
    with tempfile.TemporaryDirectory() as folder:
        heads = Path(folder) / "heads.onnx"
        cut_file(Path(export), heads)
        spec = load_spec(sidecar_path(heads))
        session = edgekit.Session(spec, OpenCvDevice(heads, spec))
        results = session.predict(edgekit.read_image(image))
    for score, label in zip(results.scores, results.labels, strict=True):
        print(f"{label} {score:.2f}")
    print(f"{len(results)} objects by {results.device}")


if __name__ == "__main__":
    main(*sys.argv[1:])

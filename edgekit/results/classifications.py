"""Class probabilities of a whole image: the results of classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.labels import class_color_bgr
from edgekit.ops.draw import draw_text
from edgekit.results.depth import DepthMap
from edgekit.results.detections import Detections
from edgekit.results.frame import Image, check_shape, finish_drawing, heading, import_library, start_drawing
from edgekit.results.raw_outputs import RawOutputs
from edgekit.results.semantic import SemanticMap

TOP_CLASSES = 5  # as classifiers are scored


@dataclass(frozen=True, slots=True, eq=False)
class Classifications:
    """What a whole image shows.

    Attributes:
        probabilities: (classes,) float32 that add up to 1, in the order of `names`.
        names: The model's classes.
        size_wh: The image's width and height.
        device: What computed it: "bpu", "sim", "onnxruntime", ...
    """

    probabilities: npt.NDArray[np.float32]
    names: tuple[str, ...]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        check_shape("probabilities", self.probabilities, (len(self.names),))

    def __len__(self) -> int:
        return 1  # one verdict on one image

    def top(self, count: int = TOP_CLASSES) -> list[tuple[int, float]]:
        """Return the `count` most probable (class id, probability), best first."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(int(i), float(self.probabilities[i])) for i in best]

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values: the most probable classes; `masks` is for results that have them."""
        classes = [{"class_id": i, "name": self.names[i], "score": round(p, 6)} for i, p in self.top()]
        return {**heading(self.device, self.size_wh), "classes": classes}

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Raise ConfigError: COCO has no rows for a classifier's results."""
        raise ConfigError("a classifier's results are no COCO rows", hint="use its JSON instead")

    def to_supervision(self) -> Any:
        """Return `supervision.Classifications`; raises DeviceError if that library is not installed."""
        order = np.argsort(-self.probabilities, kind="stable")
        return import_library("supervision").Classifications(class_id=order, confidence=self.probabilities[order])

    def to_ultralytics(self, bgr: Image, *, path: str = "") -> Any:
        """Return `ultralytics.engine.results.Results`; raises DeviceError if that library is not installed.

        Args:
            bgr: (h, w, 3) uint8, the image, which those results hold.
            path: Where it came from, for their messages.
        """
        probabilities = import_library("torch").as_tensor(self.probabilities)
        results = import_library("ultralytics.engine.results").Results
        return results(bgr, path, dict(enumerate(self.names)), probs=probabilities)

    def draw(self, bgr: Image) -> Image:
        """Return a copy of the image (h, w, 3) uint8 BGR with the most probable classes, the best first, on it."""
        image, height = start_drawing(bgr, self.size_wh), 0
        for line, (class_id, probability) in enumerate(self.top(), start=1):
            text = f"{self.names[class_id]} {probability:.2f}"
            height = draw_text(image, text, (0, line * height), class_color_bgr(class_id))
        return finish_drawing(image, self.device)


Results = Detections | Classifications | SemanticMap | DepthMap | RawOutputs  # what a decoder gives, by task

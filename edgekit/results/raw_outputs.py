"""Named arrays: the results of a model that nothing decodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ConfigError
from edgekit.ops.draw import DARK, draw_text
from edgekit.results.frame import Image, finish_drawing, heading, start_drawing

__all__ = ["RawOutputs"]

LARGEST = 5  # values that the JSON lists of each output


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What a model of the task "raw" gives for one image.

    Attributes:
        arrays: Output name -> float32 of the shape that the sidecar has; four axes are (1, h, w, c).
        size_wh: The image's width and height.
        device: What computed it: "bpu", "sim", "onnxruntime", ...
    """

    arrays: Mapping[str, npt.NDArray[np.float32]]
    size_wh: tuple[int, int]
    device: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))

    def __len__(self) -> int:
        return len(self.arrays)

    def to_dict(self, *, masks: str = "rle") -> dict[str, Any]:
        """Return plain JSON values: of each output its shape, range, mean and the positions of its largest values."""
        outputs = {name: _summary(array) for name, array in self.arrays.items()}
        return {**heading(self.device, self.size_wh), "outputs": outputs}

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Raise ConfigError: raw arrays are no COCO rows."""
        raise ConfigError("the arrays of a raw model are no COCO rows", hint="leave --coco out; they are in raw/*.npz")

    def to_supervision(self) -> Any:
        """Raise ConfigError: no class of that library holds raw arrays."""
        raise ConfigError("the arrays of a raw model have no form in supervision", hint="use results.arrays")

    def to_ultralytics(self, bgr: Image, *, path: str = "") -> Any:
        """Raise ConfigError: no class of that library holds raw arrays.

        Args:
            bgr: (h, w, 3) uint8, the image.
            path: Where it came from.
        """
        raise ConfigError("the arrays of a raw model have no form in ultralytics", hint="use results.arrays")

    def draw(self, bgr: Image) -> Image:
        """Return a copy of the image (h, w, 3) uint8 BGR with the outputs' names, shapes and ranges on it."""
        image, height = start_drawing(bgr, self.size_wh), 0
        for line, (name, array) in enumerate(self.arrays.items(), start=1):
            sides = "x".join(map(str, array.shape))
            text = f"{name} {sides} {array.min(initial=np.inf):.3g}..{array.max(initial=-np.inf):.3g}"
            height = draw_text(image, text, (0, line * height), DARK)
        return finish_drawing(image, self.device)


def _summary(array: npt.NDArray[np.float32]) -> dict[str, Any]:
    flat = array.ravel()
    best = np.argpartition(-flat, min(LARGEST, flat.size) - 1)[:LARGEST] if flat.size else np.zeros(0, np.int64)
    best = best[np.argsort(-flat[best], kind="stable")]
    positions = [[int(i) for i in np.unravel_index(int(index), array.shape)] for index in best]
    largest = [{"at": at, "value": round(float(flat[index]), 6)} for at, index in zip(positions, best, strict=True)]
    finite = bool(np.isfinite(flat).all())
    ranges = {"min": flat.min(), "max": flat.max(), "mean": flat.mean()} if finite and flat.size else {}
    ranges = {key: round(float(value), 6) for key, value in ranges.items()}
    return {"shape": list(array.shape), "finite": finite, **ranges, "largest": largest if finite else []}

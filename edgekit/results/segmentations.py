"""Objects with a mask each: the results of segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError
from edgekit.ops.draw import draw_mask
from edgekit.ops.masks import InstanceMasks
from edgekit.results.detections import Detections, Layer
from edgekit.results.frame import Image


@dataclass(frozen=True, slots=True, eq=False)
class Segmentations(Detections):
    """n objects with masks.

    Attributes:
        masks: `masks[i]` is a boolean (height, width) of the original image, computed when it is read.
    """

    masks: InstanceMasks

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        if len(self.masks) != len(self):
            raise ModelError(
                f"masks has {len(self.masks)} entries, expected {len(self)}", hint="give every object one mask"
            )

    def _layers(self) -> tuple[Layer, ...]:
        return self._draw_mask, self._draw_box

    def _draw_mask(self, image: Image, index: int) -> None:
        draw_mask(image, *self.masks.cropped(index), self.color_bgr(index))

    def _row(self, index: int, masks: str) -> dict[str, Any]:
        row = Detections._row(self, index, masks)
        if masks == "rle":
            row["segmentation"] = self.masks.rle(index)
        elif masks == "polygons":
            row["segmentation"] = self.masks.polygons(index)
        return row

    def _coco_values(self, index: int) -> dict[str, Any]:
        return {"segmentation": self.masks.rle(index)}

    def _mask_array(self) -> npt.NDArray[np.bool_] | None:
        return np.asarray(self.masks) if len(self) else None

    def _ultralytics_columns(self) -> dict[str, npt.NDArray[np.float32]]:
        masks = {"masks": np.asarray(self.masks, np.float32)} if len(self) else {}
        return Detections._ultralytics_columns(self) | masks

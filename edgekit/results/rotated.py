"""Rotated boxes: the results of the obb task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.draw import draw_rotated_box
from edgekit.ops.rotated import rotated_corners
from edgekit.results.detections import Detections, Layer
from edgekit.results.frame import Image, check_shape


@dataclass(frozen=True, slots=True, eq=False)
class RotatedDetections(Detections):
    """n rotated boxes; `boxes_xyxy` are the upright boxes around them, clipped to the image.

    Attributes:
        boxes_xywhr: (n, 5) float32: center, width >= height in pixels, angle in [0, pi) radians. Angles turn from the
            x axis towards the y axis, so clockwise on the screen.
    """

    boxes_xywhr: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        check_shape("boxes_xywhr", self.boxes_xywhr, (len(self), 5))

    @property
    def corners_xy(self) -> npt.NDArray[np.float32]:
        """The boxes' corners (n, 4, 2) in pixels, unclipped."""
        return rotated_corners(self.boxes_xywhr)

    def _layers(self) -> tuple[Layer, ...]:
        return (self._draw_rotated,)

    def _draw_rotated(self, image: Image, index: int) -> None:
        draw_rotated_box(image, self.corners_xy[index], self.caption(index), self.color_bgr(index))

    def _row(self, index: int, masks: str) -> dict[str, Any]:
        rotated = [round(float(v), 4) for v in self.boxes_xywhr[index]]
        return {**Detections._row(self, index, masks), "box_xywhr": rotated}

    def _coco_values(self, index: int) -> dict[str, Any]:
        return {"rbox": [round(float(v), 4) for v in self.boxes_xywhr[index]]}

    def _supervision_data(self) -> dict[str, Any]:
        return {"xyxyxyxy": self.corners_xy}

    def _ultralytics_columns(self) -> dict[str, npt.NDArray[np.float32]]:
        return {"obb": self._with_scores(self.boxes_xywhr)}

"""Objects with key points: the results of pose estimation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.draw import draw_skeleton
from edgekit.results.detections import Detections, Layer
from edgekit.results.frame import Image, check_shape


@dataclass(frozen=True, slots=True, eq=False)
class Poses(Detections):
    """n objects with key points.

    Attributes:
        keypoints_xy: (n, points, 2) float32 pixels of the original image, unclipped.
        visibility: (n, points) float32 0..1; all ones if the model does not say it.
    """

    keypoints_xy: npt.NDArray[np.float32]
    visibility: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        Detections.__post_init__(self)
        points = self.visibility.shape[1:]
        check_shape("visibility", self.visibility, (len(self), *points[:1]))
        check_shape("keypoints_xy", self.keypoints_xy, (len(self), *points, 2))

    def keypoints(self) -> npt.NDArray[np.float32]:
        """Return x, y in pixels and visibility together: (n, points, 3) float32."""
        return np.concatenate([self.keypoints_xy, self.visibility[..., None]], axis=2)

    def _layers(self) -> tuple[Layer, ...]:
        return (self._draw_pose,)

    def _draw_pose(self, image: Image, index: int) -> None:
        self._draw_box(image, index)
        draw_skeleton(image, self.keypoints_xy[index], self.visibility[index])

    def _row(self, index: int, masks: str) -> dict[str, Any]:
        points = self.keypoints()[index]
        rounded = [[round(float(x), 2), round(float(y), 2), round(float(v), 4)] for x, y, v in points]
        return {**Detections._row(self, index, masks), "keypoints": rounded}

    def _coco_values(self, index: int) -> dict[str, Any]:
        return {"keypoints": [round(float(v), 3) for v in self.keypoints()[index].reshape(-1)]}

    def _supervision_data(self) -> dict[str, Any]:
        return {"keypoints_xy": self.keypoints_xy, "keypoints_visibility": self.visibility}

    def _ultralytics_columns(self) -> dict[str, npt.NDArray[np.float32]]:
        return Detections._ultralytics_columns(self) | {"keypoints": self.keypoints()}

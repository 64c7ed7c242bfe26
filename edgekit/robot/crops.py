"""A cascade's crops: which boxes of one model another one looks at, and its results back in the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox
from edgekit.results import Detections, Poses, RotatedDetections, Segmentations
from edgekit.robot.config import TaskConfig

__all__ = ["Crop", "crops_of", "moved"]

LEAST_SIDE = 4  # pixels; there is nothing to see in less

D = TypeVar("D", bound=Detections)


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a frame.

    Attributes:
        parent: The row of the box that it is around.
        left: Its first column.
        top: Its first row.
        right: The column after its last one.
        bottom: The row after its last one.
    """

    parent: int
    left: int
    top: int
    right: int
    bottom: int

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    def of(self, bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return that part of a frame (h, w, 3), without a copy."""
        return bgr[self.top : self.bottom, self.left : self.right]


def crops_of(parents: Detections, task: TaskConfig) -> list[Crop]:
    """Return the crops that `task` looks at: the best boxes of its classes, with their margin, inside the frame."""
    width, height = parents.size_wh
    crops = []
    for row, box in enumerate(parents.boxes_xyxy.astype(np.float64)):
        if task.classes and parents.names[parents.class_ids[row]] not in task.classes:
            continue
        margin = np.tile((box[2:] - box[:2]) * task.margin, 2) * (-1, -1, 1, 1)
        edges = np.clip(np.nan_to_num(box + margin), 0, (width, height, width, height))
        left, top = np.floor(edges[:2]).astype(int).tolist()
        right, bottom = np.ceil(edges[2:]).astype(int).tolist()
        if right - left >= LEAST_SIDE and bottom - top >= LEAST_SIDE:
            crops.append(Crop(row, left, top, right, bottom))
    order = np.argsort([-parents.scores[crop.parent] for crop in crops], kind="stable")[: task.max_crops]
    return [crops[index] for index in order]


def moved(results: D, crop: Crop, size_wh: tuple[int, int]) -> D:
    """Return what was detected in a crop, in pixels of the frame of `size_wh` that it is part of."""
    corner = np.array([crop.left, crop.top], np.float32)
    boxes = results.boxes_xyxy + np.tile(corner, 2)
    columns: dict[str, Any] = {"boxes_xyxy": boxes, "size_wh": size_wh}
    if isinstance(results, Poses):
        columns["keypoints_xy"] = results.keypoints_xy + corner
    if isinstance(results, RotatedDetections):
        columns["boxes_xywhr"] = results.boxes_xywhr + np.concatenate([corner, np.zeros(3, np.float32)])
    if isinstance(results, Segmentations):
        letterbox = _of_frame(results.masks.letterbox, crop, size_wh)
        columns["masks"] = replace(results.masks, boxes_xyxy=boxes, letterbox=letterbox)
    return replace(results, **columns)


def _of_frame(letterbox: Letterbox, crop: Crop, size_wh: tuple[int, int]) -> Letterbox:
    """Return where the whole frame would lie if the crop were to lie where it does: far outside, and in fractions."""
    scale_x, scale_y = letterbox.scale_xy
    return Letterbox(
        size_wh,
        letterbox.size_wh,
        (size_wh[0] * scale_x, size_wh[1] * scale_y),  # type: ignore[arg-type]
        letterbox.left - crop.left * scale_x,  # type: ignore[arg-type]
        letterbox.top - crop.top * scale_y,  # type: ignore[arg-type]
    )

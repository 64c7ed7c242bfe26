"""Instance masks as COCO run lengths, computed from the part inside the box alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from edgekit.ops.masks import InstanceMasks

__all__ = ["crop_to_rle", "masks_to_rles"]


def crop_to_rle(crop: npt.NDArray[np.bool_], corner_xy: tuple[int, int], size_wh: tuple[int, int]) -> dict[str, Any]:
    """Return the compressed RLE of a mask that is on only inside a crop.

    COCO counts pixels down the columns, so each column of the crop gives its runs at (x * height + y).

    Args:
        crop: (h, w) of the mask.
        corner_xy: Its top-left corner in the image.
        size_wh: Of the image.

    Returns:
        "size" (height, width) and "counts", as COCO has them.
    """
    width, height = size_wh
    x, y = corner_xy
    tall = crop.shape[0] + 1
    columns = np.zeros(crop.shape[1] * tall + 1, np.bool_)  # column after column, an "off" before each and at the end
    columns[1:].reshape(-1, tall)[:, :-1] = crop.T
    edges = (columns[1:] != columns[:-1]).nonzero()[0]  # starts and ends of runs in turn
    bounds = edges // tall * height + edges % tall + (x * height + y)
    if crop.shape[0] == height:  # a run may go on in the next column
        apart = bounds[1:-1:2] != bounds[2::2]
        bounds = bounds[np.concatenate([[True], apart.repeat(2), [True]])] if len(bounds) else bounds
    if not len(bounds) or bounds[-1] != width * height:
        bounds = np.append(bounds, width * height)
    counts = np.diff(bounds, prepend=0).tolist()
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def masks_to_rles(masks: InstanceMasks, size_wh: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the RLE of every mask; a mask that several detections share is encoded once.

    Args:
        masks: Of one image.
        size_wh: Of the image.

    Returns:
        One RLE per mask.
    """
    made: dict[tuple[bytes, bytes], dict[str, Any]] = {}
    rles = []
    for i, window in enumerate(masks.windows):
        key = masks.boxes_xyxy[i].tobytes(), window.tobytes()
        if key not in made:
            made[key] = crop_to_rle(*masks.cropped(i), size_wh)
        rles.append(made[key])
    return rles

"""Instance masks as COCO run lengths, computed from the part inside the box alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask


def crop_to_rle(crop: npt.NDArray[np.bool_], corner_xy: tuple[int, int], size_wh: tuple[int, int]) -> dict[str, Any]:
    """The compressed RLE of a full picture that is off but for `crop` (h, w), whose top-left is `corner_xy`.

    COCO counts pixels down the columns, so each column of the crop gives its runs at (x * height + y).
    """
    width, height = size_wh
    x, y = corner_xy
    padded = np.zeros((crop.shape[1], crop.shape[0] + 2), np.int8)
    padded[:, 1:-1] = crop.T
    steps = np.diff(padded, axis=1)
    columns, rows = np.nonzero(steps == 1)
    starts = (columns + x) * height + rows + y
    columns, rows = np.nonzero(steps == -1)
    ends = (columns + x) * height + rows + y
    new = np.append(True, starts[1:] != ends[:-1])[: len(starts)]  # a run may go on in the next column
    starts, ends = starts[new], ends[np.append(new[1:], True)[: len(ends)]]
    bounds = np.concatenate([[0], np.stack([starts, ends], axis=1).ravel()])
    if bounds[-1] != width * height:
        bounds = np.append(bounds, width * height)
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": np.diff(bounds).tolist()}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}

"""The run lengths of every class of a class map, found in one pass over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.rle import pack_runs

__all__ = ["class_rles"]


def class_rles(class_map: npt.NDArray[Any]) -> dict[int, dict[str, list[int] | str]]:
    """Encode the mask of every class that occurs as COCO's compressed RLE.

    Args:
        class_map: (h, w) of whole numbers.

    Returns:
        Class id -> {"size": [h, w], "counts": str}, by rising id.
    """
    flat = class_map.T.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[: flat.size]
    ends, values = np.append(starts[1:], flat.size), flat[starts]
    size = [int(class_map.shape[0]), int(class_map.shape[1])]
    rles: dict[int, dict[str, list[int] | str]] = {}
    for class_id in np.unique(values).tolist():
        own = values == class_id
        bounds = np.stack([starts[own], ends[own]], axis=1).reshape(-1)
        if bounds[-1] != flat.size:
            bounds = np.append(bounds, flat.size)
        rles[class_id] = {"size": size, "counts": pack_runs(np.diff(bounds, prepend=0))}
    return rles

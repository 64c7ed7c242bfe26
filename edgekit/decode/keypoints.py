"""Key points of anchor-free pose heads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import cell_centres
from edgekit.decode.families import Formulas
from edgekit.ops.math import sigmoid

Floats = npt.NDArray[np.float32]


def decode_keypoints(
    rows: Floats,
    cells: npt.NDArray[np.intp],
    *,
    grid_width: int,
    stride: int,
    keypoint_shape: tuple[int, ...],
    formulas: Formulas,
) -> Floats:
    """Key points (n, points, 2 or 3) of `rows` (n, points * dims): x, y in input pixels, then visibility 0..1.

    The family's formula: Ultralytics' Pose heads, in cells: raw * gain + centre + shift.
    """
    points = rows.reshape(len(rows), *keypoint_shape)
    centres = cell_centres(cells, grid_width=grid_width)[:, None]
    gain, shift = np.float32(formulas.keypoint_gain), np.float32(formulas.keypoint_shift)
    places = (points[..., :2] * gain + centres + shift) * np.float32(stride)
    return np.concatenate([places, sigmoid(points[..., 2:])], axis=-1)

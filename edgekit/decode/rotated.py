"""Rotated boxes of anchor-free obb heads: distances along the box's own axes, and its angle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.decode.anchorfree import cell_centres
from edgekit.decode.families import Formulas
from edgekit.ops.math import sigmoid

Floats = npt.NDArray[np.float32]


def decode_angles(rows: Floats, formulas: Formulas) -> Floats:
    """Angles (n,) in radians of the angle head's `rows` (n, 1)."""
    raw = rows[:, 0]
    return raw if formulas.raw_angle else (sigmoid(raw) - np.float32(0.25)) * np.float32(np.pi)


def decode_rotated(
    distances: Floats, angles: Floats, cells: npt.NDArray[np.intp], *, grid_width: int, stride: int
) -> Floats:
    """Boxes (n, 4), centre x, y, width, height in input pixels, to be read with `angles` (n,).

    `distances` (n, 4) left, top, right, bottom in cells. Half their difference, turned by the angle, leads
    from the cell's centre to the box's (Ultralytics' dist2rbox).
    """
    left_top, right_bottom = distances[:, :2], distances[:, 2:]
    x, y = ((right_bottom - left_top) / 2).T
    cos, sin = np.cos(angles), np.sin(angles)
    offset = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
    centres = cell_centres(cells, grid_width=grid_width) + offset
    return np.concatenate([centres, left_top + right_bottom], axis=1) * np.float32(stride)

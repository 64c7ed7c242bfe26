"""Mask logits from prototypes, in each object's own window of the prototype grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox

Floats = npt.NDArray[np.float32]
Windows = npt.NDArray[np.int64]  # (n, 4) x1, y1, x2, y2 in prototype cells
BATCH_THRESHOLD = 8  # objects; with more of them the calls for each cost more than cells that none needs
STRIP_CELLS = 4096  # cells: half a megabyte of floats at 32 prototypes, which a second-level cache holds


def box_windows(boxes_xyxy: Floats, proto_wh: tuple[int, int], letterbox: Letterbox) -> Windows:
    """Return the prototype cells that the pixels of boxes are read from.

    A pixel that a box holds has its center at most half a source pixel behind the box's edges; at x in input pixels it
    is interpolated between cell floor(x * cells per pixel - 1/2) and the next one.

    Args:
        boxes_xyxy: (n, 4) float32 input pixels.
        proto_wh: Columns and rows of the prototypes.
        letterbox: Where the image lies in the model's input.

    Returns:
        (n, 4) int64: [x1, x2) x [y1, y2) as x1, y1, x2, y2.
    """
    (width, height), scale_xy = proto_wh, letterbox.scale_xy
    x_cells, y_cells = width / letterbox.size_wh[0], height / letterbox.size_wh[1]  # per input pixel
    x_shift, y_shift = scale_xy[0] / 2 * x_cells - 0.5, scale_xy[1] / 2 * y_cells - 0.5
    per_pixel, shift, least, most = np.array(
        (
            (x_cells, y_cells, x_cells, y_cells),
            (x_shift, y_shift, x_shift + 2, y_shift + 2),
            (0, 0, 1, 1),
            (width - 1, height - 1, width, height),
        )
    )
    cells = boxes_xyxy * per_pixel + shift
    np.maximum(cells, least, out=cells)
    np.minimum(cells, most, out=cells)
    windows = cells.astype(np.int64)  # floor: nothing is below 0
    np.maximum(windows[:, 2:], windows[:, :2] + 1, out=windows[:, 2:])
    return windows


def window_logits(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> tuple[Floats, ...]:
    """Multiply coefficients with prototypes, for each object in its own window alone.

    One product per object: whole rows, and one product for objects that overlap, take longer than what they share
    (measured). With more than `BATCH_THRESHOLD` objects, integers are converted to floats once, all that the windows
    hold.

    Args:
        coefficients: (n, k) float32.
        proto: (height, width, k).
        windows: (n, 4) x1, y1, x2, y2 in prototype cells.

    Returns:
        Logits (h, w) float32 per object.
    """
    if len(windows) > BATCH_THRESHOLD and proto.dtype != np.float32:
        (left, top), (right, bottom) = windows[:, :2].min(axis=0), windows[:, 2:].max(axis=0)
        proto, windows = proto[top:bottom, left:right].astype(np.float32), windows - (left, top, left, top)
    product = np.matmul if proto.dtype == np.float32 else _strip_product
    return tuple(
        product(proto[y1:y2, x1:x2], own) for own, (x1, y1, x2, y2) in zip(coefficients, windows.tolist(), strict=True)
    )


def _strip_product(window: npt.NDArray[Any], coefficients: Floats) -> Floats:
    """Multiply integers (h, w, k) with coefficients (k,), converted in strips that fit into the cache."""
    height, width = window.shape[:2]
    logits = np.empty((height, width), np.float32)
    rows = max(1, STRIP_CELLS // width)
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        np.matmul(window[strip].astype(np.float32), coefficients, out=logits[strip])
    return logits


def window_logits_reference(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> tuple[Floats, ...]:
    """Do what `window_logits` does by multiplying and adding in float64: its oracle."""
    planes = np.einsum("nk,hwk->nhw", coefficients.astype(np.float64), proto.astype(np.float64))
    return tuple(
        plane[y1:y2, x1:x2].astype(np.float32) for plane, (x1, y1, x2, y2) in zip(planes, windows.tolist(), strict=True)
    )

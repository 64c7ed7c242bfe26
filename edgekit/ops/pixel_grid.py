"""Maps on a head's grid of cells, brought to the pixels of the original image: as cells, or interpolated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

CHUNK_PIXELS = 1 << 14  # interpolated at once: 16384 pixels of 150 classes are 10 MB


def cell_positions(
    letterbox: Letterbox, grid_hw: tuple[int, int], *, align_corners: bool = False
) -> tuple[Positions, Positions]:
    """Locate the rows and columns of the original image's pixels in a grid that covers the model's input.

    Both count centers: pixel u is at u + 0.5 in the image, at p = (u + 0.5) * scale + shift in the input, and at
    p * cells / input - 0.5 in cells: the half-pixel convention of ONNX's Resize. With `align_corners`, the other one,
    the outer cells' centers lie on the outer pixels': (p - 0.5) * (cells - 1) / (input - 1).

    Args:
        letterbox: Where the image lies in the model's input.
        grid_hw: Rows and columns of cells.
        align_corners: Whether the model resizes so.

    Returns:
        Cell indices (height,) of the rows and (width,) of the columns, as fractions; beyond the grid at its edges.
    """
    shift, scale = (letterbox.left, letterbox.top), letterbox.scale_xy
    positions = []
    for axis in (1, 0):
        pixels, cells = (np.arange(letterbox.source_wh[axis]) + 0.5) * scale[axis] + shift[axis], grid_hw[1 - axis]
        side = letterbox.size_wh[axis]
        aligned = align_corners and side > 1
        positions.append((pixels - 0.5) * (cells - 1) / (side - 1) if aligned else pixels * cells / side - 0.5)
    return positions[0], positions[1]


def neighbours(positions: Positions, count: int) -> tuple[Indices, Indices, Floats]:
    """Return what linear interpolation reads, edges repeated.

    Args:
        positions: (n,) cell indices as fractions.
        count: Number of cells.

    Returns:
        The cells before and behind (n,), and the share (n,) float32 of the one behind.
    """
    inside = np.clip(positions, 0, count - 1)
    low = np.floor(inside).astype(np.intp)
    return low, np.minimum(low + 1, count - 1), (inside - low).astype(np.float32)


def expand_cells(cells: npt.NDArray[Any], letterbox: Letterbox, *, align_corners: bool = False) -> npt.NDArray[Any]:
    """Give every pixel of the original image the value of the cell that it lies in.

    Args:
        cells: (rows, columns) over the model's input, of any dtype.
        letterbox: Where the image lies in the model's input.
        align_corners: As `cell_positions` takes it.

    Returns:
        (height, width) of the original image.
    """
    positions = cell_positions(letterbox, _shape_hw(cells), align_corners=align_corners)
    rows, columns = (
        np.clip(np.floor(along + 0.5).astype(np.intp), 0, count - 1)
        for along, count in zip(positions, cells.shape, strict=True)
    )
    return cells[:, columns][rows]  # columns on the few rows first, so that whole rows are copied


def interpolate_cells(cells: Floats, letterbox: Letterbox, *, align_corners: bool = False) -> Floats:
    """Interpolate a map bilinearly at every pixel of the original image.

    Args:
        cells: (rows, columns) float32 over the model's input.
        letterbox: Where the image lies in the model's input.
        align_corners: As `cell_positions` takes it.

    Returns:
        (height, width) float32 of the original image.
    """
    rows, columns = cell_positions(letterbox, _shape_hw(cells), align_corners=align_corners)
    (x0, x1, fx), (y0, y1, fy) = neighbours(columns, cells.shape[1]), neighbours(rows, cells.shape[0])
    expanded = cells[:, x0]
    expanded += (cells[:, x1] - expanded) * fx
    pixels, below = expanded[y0], expanded[y1]
    below -= pixels
    below *= fy[:, None]
    pixels += below
    return pixels


def interpolated_classes(logits: Floats, class_ids: npt.NDArray[Any], letterbox: Letterbox) -> npt.NDArray[Any]:
    """Interpolate the logits bilinearly at every pixel of the original image and choose the largest.

    Interpolation is a mean with weights of 0 or more: where the four cells around a pixel agree on their class, its
    logit stays the largest. So only pixels along the borders of classes are interpolated.

    Args:
        logits: (rows, columns, classes) float32 over the model's input.
        class_ids: (rows, columns), the largest logit of every cell.
        letterbox: Where the image lies in the model's input.

    Returns:
        Class ids (height, width) of the original image, of the dtype of `class_ids`.
    """
    rows, columns = cell_positions(letterbox, _shape_hw(class_ids))
    (x0, x1, fx), (y0, y1, fy) = neighbours(columns, logits.shape[1]), neighbours(rows, logits.shape[0])
    pixels = class_ids[:, x0][y0]
    right, below = np.append(class_ids[:, 1:], class_ids[:, -1:], 1), np.append(class_ids[1:], class_ids[-1:], 0)
    diagonal = np.append(right[1:], right[-1:], 0)
    differs = (right != class_ids) | (below != class_ids) | (diagonal != class_ids)
    border = np.flatnonzero(differs[:, x0][y0])
    flat, out = logits.reshape(-1, logits.shape[2]), pixels.reshape(-1)
    for start in range(0, len(border), CHUNK_PIXELS):
        chosen = border[start : start + CHUNK_PIXELS]
        y, x = np.divmod(chosen, len(columns))
        top, bottom, along = y0[y] * logits.shape[1], y1[y] * logits.shape[1], fx[x][:, None]
        upper, lower = flat[top + x0[x]], flat[bottom + x0[x]]
        upper += (flat[top + x1[x]] - upper) * along
        lower += (flat[bottom + x1[x]] - lower) * along
        upper += (lower - upper) * fy[y][:, None]
        out[chosen] = upper.argmax(axis=1)
    return pixels


def _shape_hw(cells: npt.NDArray[Any]) -> tuple[int, int]:
    return cells.shape[0], cells.shape[1]

"""Instance masks from prototypes: logits in each object's own window, full-size pixels only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.ops.letterbox import Letterbox
from edgekit.ops.rle import encode_rle, mask_polygons

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Windows = npt.NDArray[np.int64]  # (n, 4) x1, y1, x2, y2 in prototype cells
MAX_OVERLAP = 8  # windows that add up to more than this many unions are cheaper in one product (measured)
MARGIN = 2  # prototype cells around a box, so that interpolation at its border has true neighbours


@dataclass(frozen=True, slots=True)
class InstanceMasks:
    """The masks of n objects; `masks[i]` is a full-size boolean (height, width) of the original picture.

    Holds logits at prototype resolution: `windows[i]` (h, w) float32 with its top-left cell at
    `corners_xy[i]`. A pixel belongs to the object where the bilinearly interpolated logit is above 0
    (sigmoid above 0.5) and its index lies within the box [x1, x2) x [y1, y2), as Ultralytics crops.
    """

    windows: tuple[Floats, ...]
    corners_xy: npt.NDArray[np.int64]
    boxes_xyxy: Floats
    proto_wh: tuple[int, int]
    letterbox: Letterbox

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Mask:
        width, height = self.letterbox.source_wh
        full = np.zeros((height, width), np.bool_)
        part, (x, y) = self.cropped(index)
        full[y : y + part.shape[0], x : x + part.shape[1]] = part
        return full

    def __iter__(self) -> Iterator[Mask]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.bool_]:
        width, height = self.letterbox.source_wh
        stacked = np.stack(list(self)) if len(self) else np.zeros((0, height, width), np.bool_)
        return stacked if dtype is None else np.asarray(stacked, dtype)

    def cropped(self, index: int) -> tuple[Mask, tuple[int, int]]:
        """The mask within its box alone, and the x, y of its top-left pixel in the original picture."""
        x1, y1, x2, y2 = (int(v) for v in np.ceil(self.boxes_xyxy[index]))
        if x2 <= x1 or y2 <= y1:
            return np.zeros((0, 0), np.bool_), (x1, y1)
        columns, rows = self._cells(index, 0, x1, x2), self._cells(index, 1, y1, y2)
        logits = interpolate(self.windows[index], columns, rows)
        return np.asarray(logits > 0, np.bool_), (x1, y1)

    def rle(self, index: int) -> dict[str, list[int] | str]:
        """The full-size mask as COCO's compressed RLE."""
        return encode_rle(self[index])

    def polygons(self, index: int) -> list[list[float]]:
        """The outlines as [x1, y1, x2, y2, ...] in pixels of the original picture."""
        part, (x, y) = self.cropped(index)
        return [[v + (x, y)[k % 2] for k, v in enumerate(line)] for line in mask_polygons(part)]

    def take(self, index: npt.NDArray[np.intp]) -> InstanceMasks:
        """Those at `index`, in that order."""
        return InstanceMasks(
            tuple(self.windows[i] for i in index),
            self.corners_xy[index],
            self.boxes_xyxy[index],
            self.proto_wh,
            self.letterbox,
        )

    def _cells(self, index: int, axis: int, first: int, last: int) -> npt.NDArray[np.float64]:
        """Where pixels first..last - 1 stand in the window, in cell indices along x (axis 0) or y (axis 1).

        Both count centres: pixel u stands at u + 0.5 in the picture, at (u + 0.5) * scale + shift in the
        input, and at that times proto / input - 0.5 in cells.
        """
        shift = (self.letterbox.left, self.letterbox.top)[axis]
        inputs = (np.arange(first, last) + 0.5) * self.letterbox.scale_xy[axis] + shift
        cells = inputs * self.proto_wh[axis] / self.letterbox.size_wh[axis] - 0.5
        return np.asarray(cells - self.corners_xy[index, axis], np.float64)


def interpolate(plane: Floats, columns: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> Floats:
    """Bilinear values of `plane` (h, w) at every row and column position (in cell indices), edges repeated.

    One axis after the other in float32: exact on every OpenCV version, whose warps round positions to 1/32.
    """
    (x0, x1, fx), (y0, y1, fy) = _neighbours(columns, plane.shape[1]), _neighbours(rows, plane.shape[0])
    tall = plane[y0] * (1 - fy)[:, None] + plane[y1] * fy[:, None]
    return np.asarray(tall[:, x0] * (1 - fx) + tall[:, x1] * fx, np.float32)


def _neighbours(
    positions: npt.NDArray[np.float64], count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    inside = np.clip(positions, 0, count - 1)
    low = np.floor(inside).astype(np.intp)
    return low, np.minimum(low + 1, count - 1), (inside - low).astype(np.float32)


def instance_masks(
    coefficients: Floats,
    proto: npt.NDArray[Any],
    boxes_xyxy: Floats,
    image_boxes_xyxy: Floats,
    letterbox: Letterbox,
) -> InstanceMasks:
    """Logits = coefficients (n, k) . proto (h, w, k), in the window of each box only.

    `proto` may be the device's integers when the coefficients carry their scale. `boxes_xyxy` (n, 4) in input
    pixels choose the windows, `image_boxes_xyxy` (n, 4) in original pixels crop the masks.
    """
    proto_wh = (proto.shape[1], proto.shape[0])
    windows = box_windows(boxes_xyxy, proto_wh, letterbox.size_wh)
    parts = _window_logits(coefficients, proto, windows) if len(windows) else ()
    return InstanceMasks(parts, windows[:, :2], image_boxes_xyxy, proto_wh, letterbox)


def _window_logits(coefficients: Floats, proto: npt.NDArray[Any], windows: Windows) -> tuple[Floats, ...]:
    """The logits of each window: one product per object, or one for all inside the union of their windows.

    A product per object reads its window alone; where windows overlap many times over, reading their union
    once is cheaper.
    """
    left, top = windows[:, :2].min(axis=0)
    right, bottom = windows[:, 2:].max(axis=0)
    sides = windows[:, 2:] - windows[:, :2]
    if (sides[:, 0] * sides[:, 1]).sum() > MAX_OVERLAP * (right - left) * (bottom - top):
        region = np.asarray(proto[top:bottom, left:right], np.float32)
        planes = (coefficients @ region.reshape(-1, proto.shape[2]).T).reshape(-1, *region.shape[:2])
        local = (windows - (left, top, left, top)).tolist()
        return tuple(plane[y1:y2, x1:x2].copy() for plane, (x1, y1, x2, y2) in zip(planes, local, strict=True))
    parts = [proto[y1:y2, x1:x2] for x1, y1, x2, y2 in windows.tolist()]
    if proto.dtype != np.float32:
        parts = [part.astype(np.float32) for part in parts]
    return tuple(part @ own for part, own in zip(parts, coefficients, strict=True))


def box_windows(boxes_xyxy: Floats, proto_wh: tuple[int, int], size_wh: tuple[int, int]) -> Windows:
    """The prototype cells [x1, x2) x [y1, y2) that each box (n, 4, input pixels) touches, MARGIN more around."""
    cells_per_pixel = (proto_wh[0] / size_wh[0], proto_wh[1] / size_wh[1])
    windows = np.empty((len(boxes_xyxy), 4), np.int64)
    low = np.floor(boxes_xyxy[:, :2] * cells_per_pixel) - MARGIN
    high = np.ceil(boxes_xyxy[:, 2:] * cells_per_pixel) + MARGIN
    windows[:, :2] = np.minimum(np.maximum(low, 0), (proto_wh[0] - 1, proto_wh[1] - 1))
    windows[:, 2:] = np.maximum(np.minimum(high, proto_wh), windows[:, :2] + 1)
    return windows


def masks_reference(
    coefficients: Floats, proto: Floats, image_boxes_xyxy: Floats, letterbox: Letterbox
) -> npt.NDArray[np.bool_]:
    """The same masks by the definition: every logit, every pixel interpolated in float64; the oracle."""
    width, height = letterbox.source_wh
    logits = np.einsum("nk,hwk->nhw", coefficients.astype(np.float64), proto.astype(np.float64))
    scale_xy, shift = letterbox.scale_xy, (letterbox.left, letterbox.top)
    grid = []
    for axis, count in enumerate((width, height)):
        limit = (proto.shape[1], proto.shape[0])[axis]
        inputs = (np.arange(count) + 0.5) * scale_xy[axis] + shift[axis]
        grid.append(np.clip(inputs * limit / letterbox.size_wh[axis] - 0.5, 0, limit - 1))
    (x, y) = grid
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x1, y1 = np.minimum(x0 + 1, proto.shape[1] - 1), np.minimum(y0 + 1, proto.shape[0] - 1)
    fx, fy = x - x0, (y - y0)[:, None]
    upper = logits[:, y0][:, :, x0] * (1 - fx) + logits[:, y0][:, :, x1] * fx
    lower = logits[:, y1][:, :, x0] * (1 - fx) + logits[:, y1][:, :, x1] * fx
    columns, rows = np.arange(width), np.arange(height)
    left, top, right, bottom = (image_boxes_xyxy[:, i, None] for i in range(4))
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]
    return np.asarray((upper * (1 - fy) + lower * fy > 0) & inside, np.bool_)
